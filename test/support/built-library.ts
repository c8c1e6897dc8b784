import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/async/clock.ts'

/** The repository. */
export const project = fileURLToPath(new URL('../..', import.meta.url))

/** The script of `npx blockferry`. */
export const commandPath = join(project, 'dist/src/cli/main.js')

/** Several test files need it at once, and the compiler does not replace files in one step. */
const lock = join(project, 'build/compiling')
const LONGEST_BUILD_MS = 60_000

/** Compiles `dist/` when a source is newer, so that tests of what is published never see an old build. */
export async function ensureBuilt(): Promise<void> {
  const deadline = systemClock.now() + LONGEST_BUILD_MS
  mkdirSync(join(project, 'build'), { recursive: true })
  for (;;) {
    if (isFresh()) return
    try {
      mkdirSync(lock)
      break
    } catch (error) {
      // One that was killed left it; two compilers at once are better than none.
      if (systemClock.now() > deadline) break
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      await systemClock.sleep(100)
    }
  }
  try {
    execFileSync(process.execPath, ['assembly/build.mjs'], { cwd: project, stdio: 'pipe' })
    // It writes its files in spite of errors in types, which the type check reports once for all.
    spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'src'], { cwd: project, stdio: 'ignore' })
    chmodSync(commandPath, 0o755)
  } finally {
    if (existsSync(lock)) rmdirSync(lock)
  }
}

function isFresh(): boolean {
  if (existsSync(lock) || !existsSync(commandPath)) return false
  const compiledAt = statSync(commandPath).mtimeMs
  const sources = ['src', 'test/conformance', 'assembly'].flatMap((folder) =>
    readdirSync(join(project, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|mjs|json)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
  )
  return sources.every((path) => statSync(path).mtimeMs < compiledAt)
}
