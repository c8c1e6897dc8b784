import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as laws from './support/laws.ts'
import { references, type SourceFile, stripComments } from './support/source-code.ts'

const project = fileURLToPath(new URL('..', import.meta.url))

/** Everything that is or would be committed; what git ignores is nobody's. */
const repository: SourceFile[] = execFileSync(
  'git',
  ['-c', 'safe.directory=*', 'ls-files', '-co', '--exclude-standard', '-z'],
  { cwd: project },
)
  .toString()
  .split('\0')
  .filter((path) => path !== '' && !/\.(png|jpg|webp|gif|ico|bin|woff2)$/.test(path))
  .flatMap((path) => {
    try {
      return [{ path, text: readFileSync(join(project, path), 'utf8') }]
    } catch {
      return [] // Deleted and not yet committed.
    }
  })

describe('the repository keeps the laws of the house:', () => {
  const all: [string, laws.Law][] = [
    ['every file of src is in a room of the house', laws.roomsAreKnown],
    ['imports point down the floors', laws.importsPointDown],
    ['no room imports a sibling on its floor', laws.noSiblings],
    ['migration knows no source, no module and no protocol', laws.migrationStandsAlone],
    ['protocol knows no migration', laws.protocolKnowsNoMigration],
    ['transports know only the channel', laws.transportsKnowOnlyChannels],
    ['Node is reached only from *.node.ts, the command and the Node entry', laws.nodeFilesStayApart],
    ['nothing inside src imports an entry or a barrel', laws.noIndexInside],
    ['no file imports itself by any way, types included', laws.noCycles],
    ['only async/clock.ts asks the machine for time or chance', laws.oneSourceOfTime],
    ['the library prints nothing', laws.librarySaysNothing],
    ['no file is called after nothing in particular', laws.namesSayWhat],
    [`no file is longer than ${laws.LONGEST_FILE} lines`, laws.filesAreShort],
    ['the top level holds only what it must', laws.topLevelIsSmall],
    ['nothing is left over', laws.nothingIsLeftOver],
    ['no file knows the machine it was written on', laws.noMachinePaths],
    ['the published suites import the library and nothing else', laws.suitesNeedNoFramework],
    ['every file of src is used', laws.nothingIsDead],
  ]
  it.each(all)('%s', (_, law) => expect(law(repository)).toEqual([]))

  it('looked at the whole house', () => {
    expect(repository.filter(({ path }) => path.startsWith('src/')).length).toBeGreaterThan(20)
  })
})

/** A made-up repository: path, then text. */
const files = (...pairs: [path: string, text: string][]) => pairs.map(([path, text]) => ({ path, text }))
const importing = (path: string, target: string) => files([path, `import { x } from '${target}'\n`])

describe('each law can fail:', () => {
  const violated: [string, laws.Law, SourceFile[]][] = [
    ['an unknown room', laws.roomsAreKnown, files(['src/attic/box.ts', ''])],
    ['a file in no room', laws.roomsAreKnown, files(['src/other.ts', ''])],
    ['an import upwards', laws.importsPointDown, importing('src/storage/a.ts', '../orders/b.ts')],
    ['an import of the command', laws.importsPointDown, importing('src/adapters/a.ts', '../cli/main.ts')],
    [
      'a type import upwards',
      laws.importsPointDown,
      files(['src/kernels/a.ts', `import type { X } from '../bitfield/b.ts'`]),
    ],
    [
      'a worker above',
      laws.importsPointDown,
      files(['src/kernels/a.ts', `new URL('../orders/b.ts', import.meta.url)`]),
    ],
    ['an export from above', laws.importsPointDown, files(['src/kernels/a.ts', `export * from '../orders/b.ts'`])],
    ['a dynamic import upwards', laws.importsPointDown, files(['src/kernels/a.ts', `await import('../orders/b.ts')`])],
    ['a sibling', laws.noSiblings, importing('src/sources/a.ts', '../modules/b.ts')],
    ['a source in migration', laws.migrationStandsAlone, importing('src/migration/a.ts', '../sources/memory.ts')],
    ['a module in migration', laws.migrationStandsAlone, importing('src/migration/a.ts', '../modules/lockable.ts')],
    ['migration in protocol', laws.protocolKnowsNoMigration, importing('src/protocol/a.ts', '../migration/m.ts')],
    [
      'packets in transports',
      laws.transportsKnowOnlyChannels,
      importing('src/transports/a.ts', '../protocol/packet.ts'),
    ],
    [
      'storage in transports',
      laws.transportsKnowOnlyChannels,
      importing('src/transports/a.ts', '../storage/provider.ts'),
    ],
    ['a Node file in the browser', laws.nodeFilesStayApart, importing('src/sources/a.ts', './file.node.ts')],
    ['a Node file in the page', laws.nodeFilesStayApart, importing('demo/main.ts', '../src/sources/file.node.ts')],
    ['a Node module in the browser', laws.nodeFilesStayApart, importing('src/sources/a.ts', 'node:fs')],
    ['an entry inside', laws.noIndexInside, importing('src/sources/a.ts', '../index.ts')],
    ['a barrel inside', laws.noIndexInside, importing('src/cli/a.ts', '../sources/index.ts')],
    [
      'a cycle of types',
      laws.noCycles,
      files(['src/async/a.ts', `import type { B } from './b.ts'`], ['src/async/b.ts', `export { a } from './a.ts'`]),
    ],
    ['a file that imports itself', laws.noCycles, importing('src/async/a.ts', './a.ts')],
    ['the time', laws.oneSourceOfTime, files(['src/cli/a.ts', 'const now = Date.now()'])],
    ['a timer', laws.oneSourceOfTime, files(['src/sources/a.ts', 'globalThis.setTimeout(run, 5)'])],
    ['chance', laws.oneSourceOfTime, files(['src/sources/a.ts', 'Math.random()'])],
    ['a message on the console', laws.librarySaysNothing, files(['src/sources/a.ts', 'console.warn(1)'])],
    ['a banned name', laws.namesSayWhat, files(['src/storage/utils.ts', ''])],
    ['a banned word in a name', laws.namesSayWhat, files(['test/support/disk-helpers.ts', ''])],
    ['a long file', laws.filesAreShort, files(['src/storage/a.ts', 'x\n'.repeat(401)])],
    ['a stray file', laws.topLevelIsSmall, files(['notes.md', ''])],
    ['a left over note', laws.nothingIsLeftOver, files(['src/storage/a.ts', `// ${'TO'}${'DO'} later`])],
    ['a single test', laws.nothingIsLeftOver, files(['test/a.test.ts', `it.${'on'}${'ly'}('x')`])],
    ['a path of a machine', laws.noMachinePaths, files(['README.md', `cd /${'ho'}me/me/disk`])],
    ['a registry in the lock file', laws.noMachinePaths, files(['package-lock.json', `"resolved": "${'http'}s://x"`])],
    ['a framework in a suite', laws.suitesNeedNoFramework, importing('test/conformance/a.ts', 'vitest')],
    ['a file nobody uses', laws.nothingIsDead, files(['src/index.ts', ''], ['src/async/a.ts', ''])],
  ]
  it.each(violated)('%s', (_, law, made) => expect(law(made)).toHaveLength(1))

  const kept: [string, laws.Law, SourceFile[]][] = [
    ['an import down', laws.importsPointDown, importing('src/orders/a.ts', '../bitfield/b.ts')],
    ['the command imports anything', laws.importsPointDown, importing('src/cli/main.ts', '../sources/file.node.ts')],
    ['errors and async are one floor', laws.noSiblings, importing('src/async/a.ts', '../errors/b.ts')],
    [
      'a transport imports the channel',
      laws.transportsKnowOnlyChannels,
      importing('src/transports/a.ts', '../protocol/channel.ts'),
    ],
    ['a Node file imports a Node file', laws.nodeFilesStayApart, importing('src/sources/a.node.ts', './b.node.ts')],
    [
      'a comment speaks of time',
      laws.oneSourceOfTime,
      files(['src/storage/a.ts', '// Date.now()\nconst a = "Math.random"']),
    ],
    ['400 lines', laws.filesAreShort, files(['src/storage/a.ts', 'x\n'.repeat(400)])],
    ['a word in a name that contains a banned one', laws.namesSayWhat, files(['src/storage/commons-law.ts', ''])],
    [
      'a worker is used',
      laws.nothingIsDead,
      files(['src/index.ts', `new URL('./async/a.ts', import.meta.url)`], ['src/async/a.ts', '']),
    ],
  ]
  it.each(kept)('and holds where %s', (_, law, made) => expect(law(made)).toEqual([]))
})

describe('reading source code', () => {
  it('is not misled by quotes, comments and regular expressions', () => {
    const text = [
      "const a = 'it // is' /* 'no' */",
      'const b = /[/"\']/.test(a) // "x',
      'const c = 4 / 2 / 1',
      'f(`/* a`)',
    ].join('\n')
    expect(
      stripComments(text)
        .statements.split('\n')
        .map((line) => line.trimEnd()),
    ).toEqual(["const a = 'it // is'", 'const b = /[/"\']/.test(a)', 'const c = 4 / 2 / 1', 'f(`/* a`)'])
  })

  it('finds every form of import and none in a comment', () => {
    const text = [
      `import a, {\n  b,\n} from './a.ts'`,
      `import type { C } from "../errors/c.ts"`,
      `export { d } from './d.ts'`,
      `import './e.ts'`,
      `const f = await import('./f.ts')`,
      `type G = import('./g.ts').G`,
      `// import h from './h.ts'`,
      `new Worker(new URL('./i.ts', import.meta.url))`,
      `import fs from 'node:fs'`,
    ].join('\n')
    expect(references({ path: 'src/async/x.ts', text }).map(({ target }) => target)).toEqual([
      ...['src/async/a.ts', 'src/errors/c.ts', 'src/async/d.ts', 'src/async/e.ts', 'src/async/f.ts', 'src/async/g.ts'],
      ...['node:fs', 'src/async/i.ts'],
    ])
  })
})
