import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

interface Mutant {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
}

const root = new URL('../../', import.meta.url)
const planted: readonly Mutant[] = JSON.parse(
  readFileSync(new URL('test/simulation/mutants/planted.json', root), 'utf8'),
)

/** Of each kind one that is noticed within a few seeds. */
const SAMPLE = ['mark forgets the last block', 'lock without drain', 'sync clears all tracking, without a re-read']

describe('planted bugs', () => {
  it('are many, and each has a name of its own', () => {
    expect(planted.length).toBeGreaterThanOrEqual(60)
    expect(new Set(planted.map(({ name }) => name)).size).toBe(planted.length)
  })

  it.each(planted)('$name: changes one place of the code as it is', ({ file, find, replace }) => {
    const text = readFileSync(new URL(file, root), 'utf8')
    expect(text.split(find).length - 1).toBe(1)
    expect(replace).not.toBe(find)
  })

  it('are noticed by the simulator', { timeout: 120_000 }, () => {
    const args = ['--mutants', '--json', '--runs', '50', ...SAMPLE.flatMap((name) => ['--only', name])]
    const program = fileURLToPath(new URL('test/simulation/run.mjs', root))
    const { stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' })
    expect(JSON.parse(stdout), stderr).toMatchObject({ mutants: SAMPLE.length, killed: SAMPLE.length })
  })
})
