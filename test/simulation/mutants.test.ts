import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { mutants } from './mutants/index.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** Of every room some, found within few seeds: all of them are run by hand, `npm run simulate -- --mutants`. */
const SAMPLE = [
  'lock-skips-the-drain',
  'last-dirty-not-taken',
  'record-not-flushed',
  'not-unlocked-after-a-failure',
  'held-writes-not-started',
  'failed-lock-stays',
]
const SAMPLE_SEEDS = 200

describe('planted bugs', () => {
  it('are at least sixty, each with a name of its own and a reason', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(60)
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
    for (const { name, find, replace, reason, killedBy } of mutants) {
      expect(replace, name).not.toBe(find)
      expect(reason, name).not.toBe('')
      expect(killedBy === undefined || existsSync(join(project, killedBy)), name).toBe(true)
    }
  })

  it.each(mutants)('$name has its place in the code, once', ({ file, find }) => {
    expect(readFileSync(join(project, file), 'utf8').split(find)).toHaveLength(2)
  })

  it('of every room are found', { timeout: 600_000 }, async () => {
    const flags = ['--mutants', '--json', '--runs', String(SAMPLE_SEEDS), ...SAMPLE.flatMap((name) => ['--only', name])]
    const command = promisify(execFile)(process.execPath, ['test/simulation/run.mjs', ...flags], { cwd: project })
    const { stdout } = await command.catch((error: { stdout: string }) => error)
    const report = JSON.parse(stdout) as { mutants: { name: string; killed: boolean }[] }
    expect(report.mutants.filter(({ killed }) => !killed).map(({ name }) => name)).toEqual([])
    expect(report.mutants).toHaveLength(SAMPLE.length)
  })
})
