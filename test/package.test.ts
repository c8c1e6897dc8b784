import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../src/errors/storage-error.ts'
import { measureBundle } from './bench/bundle.bench.ts'
import { commandPath, ensureBuilt, project } from './support/built-library.ts'
import { references } from './support/source-code.ts'

interface Manifest {
  readonly name: string
  readonly exports: Record<string, string>
  readonly bin: Record<string, string>
  readonly scripts: Record<string, string>
  readonly dependencies: Record<string, string>
  readonly devDependencies: Record<string, string>
}

const read = (path: string) => readFileSync(join(project, path), 'utf8')
const manifest: Manifest = JSON.parse(read('package.json'))
const readme = read('README.md')
const entries = Object.keys(manifest.exports).filter((name) => name !== './package.json')

beforeAll(ensureBuilt, 120_000)

/** Runs a module in a plain Node, from inside the package so that its own name resolves. */
function runModule(text: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '-e', text], { cwd: project, encoding: 'utf8' })
}

describe('each entry of the package', () => {
  it.each(entries)('%s has its file and its types', (entry) => {
    const path = join(project, manifest.exports[entry]!)
    expect(statSync(path).size).toBeGreaterThan(0)
    expect(statSync(path.replace(/\.js$/, '.d.ts')).size).toBeGreaterThan(0)
  })

  it.each(entries)('%s imports by name in plain Node and exports something', (entry) => {
    const name = entry.replace('.', manifest.name)
    const names = runModule(`console.log(Object.keys(await import('${name}')).join(' '))`).trim().split(' ')
    expect(names.length).toBeGreaterThan(0)
    expect(names).not.toContain('')
  })

  it.each(entries)('%s does nothing when it is imported', (entry) => {
    const name = entry.replace('.', manifest.name)
    // What is prepared on import shows as a global, a timer, a worker, output, or a call of what would be needed for it.
    const output = runModule(`
      const touched = []
      const watch = (holder, name) => {
        const original = holder[name]
        holder[name] = function (...args) {
          touched.push(name)
          return new.target ? Reflect.construct(original, args) : Reflect.apply(original, this, args)
        }
      }
      for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch', 'MessageChannel']) watch(globalThis, name)
      for (const name of ['Module', 'Instance', 'Memory', 'compile', 'instantiate', 'validate']) watch(WebAssembly, name)
      watch(Math, 'random')
      const before = new Set(Reflect.ownKeys(globalThis))
      await import('${name}')
      const added = Reflect.ownKeys(globalThis).filter((key) => !before.has(key))
      console.log(JSON.stringify([...touched, ...added]))
    `)
    expect(output.trim()).toBe('[]')
  })

  it('the example of the README finds everything it imports', () => {
    const exampleNames = [...readme.matchAll(/import \{([^}]+)\} from '(blockferry[^']*)'/g)]
    expect(exampleNames.length).toBeGreaterThan(0)
    for (const [, names, entry] of exampleNames) {
      const list = names!.split(',').map((name) => name.trim())
      const found = runModule(
        `const all = await import('${entry}'); console.log(${JSON.stringify(list)}.filter((name) => !(name in all)).join())`,
      )
      expect(found.trim()).toBe('')
    }
  })

  it.each(['index', 'peer'])(
    'the browser entry %s reaches no module of Node and only files that are published',
    (entry) => {
      const seen = new Set<string>()
      const waiting = [`dist/src/${entry}.js`]
      const packages = new Set<string>()
      for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
        if (seen.has(path)) continue
        seen.add(path)
        expect(existsSync(join(project, path)), path).toBe(true)
        for (const { kind, target } of references({ path, text: read(path) })) {
          const isFile = target.startsWith('dist/')
          if (isFile) waiting.push(kind === 'url' ? target.replace(/\.ts$/, '.js') : target)
          else packages.add(target)
        }
      }
      expect(seen.size).toBeGreaterThan(20)
      expect([...packages].sort()).toEqual(entry === 'index' ? ['hash-wasm', 'idb-keyval'] : ['hash-wasm'])
    },
  )
})

describe('the README', () => {
  const shell = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block!.split('\n'))

  it('names only commands and options that exist', () => {
    const uses = shell.filter((line) => line.startsWith('npx blockferry '))
    expect(uses.length).toBeGreaterThan(0)
    // Each asks a process of its own.
    const helps = new Map<string, string>()
    for (const line of uses) {
      const [name, ...words] = line
        .replace(/\s#.*$/, '')
        .split(/\s+/)
        .slice(2)
      const help =
        helps.get(name!) ?? execFileSync(process.execPath, [commandPath, name!, '--help'], { encoding: 'utf8' })
      helps.set(name!, help)
      expect(help).toContain(`Usage: blockferry ${name}`)
      for (const option of words.filter((word) => word.startsWith('--'))) expect(help, line).toContain(option)
    }
  })

  it('names only scripts that exist', () => {
    const text = readme.matchAll(/npm (?:run )?(start|test|bench|build|check|format|[a-z]+:[a-z]+)\b/g)
    const scripts = [...text].map(([, name]) => name!)
    expect(scripts).toContain('test')
    expect(scripts.filter((name) => !(name in manifest.scripts))).toEqual([])
  })

  it.each(Object.entries(ERROR_CODES))('explains the error %s as the code does', (code, meaning) => {
    expect(readme).toContain(`| \`${code}\` | ${meaning} |`)
  })

  it('says of each package what it is for', () => {
    const table = readme.slice(readme.indexOf('## Dependencies'))
    const packages = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })
    expect(packages.filter((name) => !table.includes(`\`${name}\``))).toEqual([])
  })

  it('shows only pictures and files that are there', () => {
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map(([, path]) => path!)
    expect(links.filter((path) => !existsSync(join(project, path)))).toEqual([])
  })
})

describe('the package', () => {
  it('installs on every platform: the lock file holds what is optional too', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>
    }
    const wanted = Object.values(packages).flatMap(({ optionalDependencies }) =>
      Object.keys(optionalDependencies ?? {}),
    )
    expect(wanted.length).toBeGreaterThan(10)
    expect(wanted.filter((name) => !(`node_modules/${name}` in packages))).toEqual([])
  })

  it('has a command that can be run', () => {
    expect(join(project, manifest.bin[manifest.name]!)).toBe(commandPath)
    expect(read('dist/src/cli/main.js').startsWith('#!/usr/bin/env node\n')).toBe(true)
    // npx runs the file itself, and compilers forget this.
    if (process.platform !== 'win32') expect(statSync(commandPath).mode & 0o111).toBe(0o111)
  })

  it('publishes what the entries need and no tests', () => {
    const [packed] = JSON.parse(
      execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: project, encoding: 'utf8' }),
    ) as [{ files: { path: string }[] }]
    const paths = packed.files.map(({ path }) => path)
    for (const entry of Object.values(manifest.exports)) expect(paths).toContain(entry.replace('./', ''))
    for (const path of ['README.md', 'LICENSE', 'package.json']) expect(paths).toContain(path)
    expect(paths.filter((path) => /\.test\.|(^|\/)(bench|support|demo)\//.test(path))).toEqual([])
  })

  it('costs a page at most 30 KiB', async () => {
    const { entry } = await measureBundle()
    expect(entry / 1024).toBeLessThan(30)
    // A bundle that lost its content would be small too.
    expect(entry / 1024).toBeGreaterThan(5)
  })
})
