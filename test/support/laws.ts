import { references, type SourceFile, stripComments } from './source-code.ts'

/** A law looks at all files and returns its violations, one line each; none means that it holds. */
export type Law = (files: readonly SourceFile[]) => string[]

/** The floors of the house from the ground up. */
export const FLOORS: readonly (readonly string[])[] = [
  ['errors', 'async'],
  ['kernels'],
  ['bitfield'],
  ['storage'],
  ['modules', 'sources'],
  ['orders'],
  ['migration', 'protocol'],
  ['transports'],
  ['devices'],
  ['adapters', 'backup'],
]

const ENTRIES = ['src/index.ts', 'src/peer.ts', 'src/node.ts', 'src/sqlite.ts', 'src/v86.ts']

/** The room of a file in `src/`, or undefined for the entries and what lies outside. */
function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1]
}

function floorOf(room: string): number {
  return FLOORS.findIndex((floor) => floor.includes(room))
}

function inside(files: readonly SourceFile[], ...folders: string[]): SourceFile[] {
  return files.filter(({ path }) => folders.some((folder) => path.startsWith(`${folder}/`)) && /\.m?ts$/.test(path))
}

/** Calls `judge` for each import between two rooms of `src/`, the command aside; collects what it says. */
function judgeRooms(
  files: readonly SourceFile[],
  judge: (from: string, to: string, target: string) => string | undefined | false,
): string[] {
  const violations: string[] = []
  for (const file of inside(files, 'src')) {
    const from = roomOf(file.path)
    if (from === undefined || from === 'cli') continue
    for (const { target } of references(file)) {
      const to = roomOf(target)
      const verdict = to !== undefined && to !== from && judge(from, to, target)
      if (verdict) violations.push(`${file.path} imports ${target}: ${verdict}`)
    }
  }
  return violations
}

export const roomsAreKnown: Law = (files) =>
  inside(files, 'src').flatMap(({ path }) => {
    const room = roomOf(path)
    if (room === undefined) return ENTRIES.includes(path) ? [] : [`${path} is in no room`]
    return room === 'cli' || floorOf(room) >= 0 ? [] : [`${path}: the house has no room "${room}"`]
  })

export const importsPointDown: Law = (files) =>
  judgeRooms(files, (from, to) => (to === 'cli' || floorOf(to) > floorOf(from)) && `${to} is above ${from}`)

export const noSiblings: Law = (files) =>
  judgeRooms(
    files,
    (from, to) => floorOf(from) > 0 && floorOf(to) === floorOf(from) && `both are on floor ${floorOf(to)}`,
  )

export const migrationStandsAlone: Law = (files) =>
  judgeRooms(files, (from, to) => from === 'migration' && ['sources', 'modules', 'protocol'].includes(to) && 'never')

export const protocolKnowsNoMigration: Law = (files) =>
  judgeRooms(files, (from, to) => from === 'protocol' && to === 'migration' && 'never')

export const transportsKnowOnlyChannels: Law = (files) =>
  judgeRooms(
    files,
    (from, to, target) =>
      from === 'transports' && floorOf(to) > 0 && target !== 'src/protocol/channel.ts' && 'only protocol/channel.ts',
  )

const isNodeOnly = (path: string) => /\.node\.ts$/.test(path) || path === 'src/node.ts' || path.startsWith('src/cli/')

export const nodeFilesStayApart: Law = (files) =>
  inside(files, 'src', 'demo').flatMap((file) =>
    references(file)
      .filter(({ target }) => !isNodeOnly(file.path) && (isNodeOnly(target) || target.startsWith('node:')))
      .map(({ target }) => `${file.path} imports ${target}`),
  )

export const noIndexInside: Law = (files) =>
  inside(files, 'src').flatMap((file) =>
    references(file)
      .filter(({ target }) => /(^|\/)index\.ts$/.test(target) || ENTRIES.includes(target))
      .map(({ target }) => `${file.path} imports ${target}`),
  )

export const noCycles: Law = (files) => {
  const edges = new Map(
    inside(files, 'src', 'demo', 'test').map((file) => [
      file.path,
      references(file)
        .filter(({ kind }) => kind === 'import')
        .map(({ target }) => target),
    ]),
  )
  const violations: string[] = []
  const state = new Map<string, 'open' | 'done'>()
  const visit = (path: string, trail: readonly string[]) => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      violations.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
      return
    }
    state.set(path, 'open')
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of edges.keys()) visit(path, [])
  return violations
}

export const oneSourceOfTime: Law = (files) =>
  inside(files, 'src')
    .filter(({ path }) => path !== 'src/async/clock.ts')
    .flatMap(({ path, text }) =>
      lines(
        stripComments(text).code,
        /\b(Date\.now|performance\.now|setTimeout|setInterval|Math\.random)\b|\bnew Date\(\)/,
      ).map(({ number, match }) => `${path}:${number} uses ${match}`),
    )

export const librarySaysNothing: Law = (files) =>
  inside(files, 'src')
    .filter(({ path }) => !path.startsWith('src/cli/'))
    .flatMap(({ path, text }) =>
      lines(stripComments(text).code, /\bconsole\.\w+/).map(({ number, match }) => `${path}:${number} uses ${match}`),
    )

const BANNED_WORDS = new Set('util utils helper helpers common misc types constants manager'.split(' '))

export const namesSayWhat: Law = (files) =>
  files
    .map(({ path }) => path)
    .filter((path) => path.split('/').some((name) => name.split(/[-.]/).some((word) => BANNED_WORDS.has(word))))

/** Lines of a file at most. */
export const LONGEST_FILE = 400

export const filesAreShort: Law = (files) =>
  files
    .filter(({ path }) => /^(src|assembly|demo|test)\/.*\.(ts|mjs|js|css|html)$/.test(path))
    .map(({ path, text }) => ({ path, count: text.split('\n').length - (text.endsWith('\n') ? 1 : 0) }))
    .filter(({ count }) => count > LONGEST_FILE)
    .map(({ path, count }) => `${path} has ${count} lines`)

const TOP_LEVEL = new Set(
  'package.json assembly src demo test vite.config.ts README.md package-lock.json tsconfig.json biome.json LICENSE .gitignore .ci'.split(
    ' ',
  ),
)

export const topLevelIsSmall: Law = (files) => [
  ...new Set(files.map(({ path }) => path.split('/')[0]!).filter((name) => !TOP_LEVEL.has(name))),
]

/** Put together here, so that this file is not what it looks for. */
const LEFTOVERS = new RegExp(
  [
    `\\b${'FIX'}${'ME'}\\b`,
    `\\b${'TO'}${'DO'}\\b`,
    `\\b${'XX'}${'X'}\\b`,
    `\\.${'on'}${'ly'}\\(`,
    `^\\s*${'debug'}${'ger'}\\b`,
  ].join('|'),
)

export const nothingIsLeftOver: Law = (files) =>
  files.flatMap(({ path, text }) => lines(text, LEFTOVERS).map(({ number, match }) => `${path}:${number} has ${match}`))

const MACHINE_PATHS = new RegExp(
  `(?<![\\w.*])/(?:${'ro'}ot|${'ho'}me|${'Us'}ers|${'wo'}rk|${'tm'}p)/|"resolved": "${'ht'}tp`,
)

export const noMachinePaths: Law = (files) =>
  files.flatMap(({ path, text }) =>
    lines(text, MACHINE_PATHS).map(({ number, match }) => `${path}:${number} has ${match}`),
  )

export const suitesNeedNoFramework: Law = (files) =>
  inside(files, 'test/conformance').flatMap((file) =>
    references(file)
      .filter(({ target }) => !/^(src|test\/conformance)\//.test(target))
      .map(({ target }) => `${file.path} imports ${target}`),
  )

/** Every file of `src/` is reached from an entry, the command, the page, or at least a test. */
export const nothingIsDead: Law = (files) => {
  const known = new Map(files.map((file) => [file.path, file]))
  const waiting = files
    .map(({ path }) => path)
    .filter((path) => ENTRIES.includes(path) || path === 'src/cli/main.ts' || /^(demo|test)\//.test(path))
  const reached = new Set(waiting)
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const { target } of references(known.get(path)!)) {
      if (reached.has(target) || !known.has(target)) continue
      reached.add(target)
      waiting.push(target)
    }
  }
  return inside(files, 'src')
    .map(({ path }) => path)
    .filter((path) => !reached.has(path))
}

function lines(text: string, pattern: RegExp): { number: number; match: string }[] {
  return text.split('\n').flatMap((line, index) => {
    const match = pattern.exec(line)
    return match ? [{ number: index + 1, match: match[0].trim() }] : []
  })
}
