import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** What the command prints; `code` is its exit code. */
async function simulate(...flags: string[]): Promise<{ output: string; code: number }> {
  const options = { cwd: project, maxBuffer: 2 ** 26 }
  const command = promisify(execFile)(process.execPath, ['test/simulation/run.mjs', ...flags], options)
  return command.then(
    ({ stdout }) => ({ output: stdout, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => ({
      output: error.stdout + error.stderr,
      code: error.code,
    }),
  )
}

describe('the simulated world', () => {
  it('keeps every promise in ten thousand runs', { timeout: 600_000 }, async () => {
    const { output, code } = await simulate('--seed', '1', '--runs', '10000', '--jobs', '2')
    expect(output).toContain('10000 runs from seed 1, 0 failed')
    expect(code).toBe(0)
  })

  it('does the same in every process, to the last byte', { timeout: 300_000 }, async () => {
    const flags = ['--seed', '424242', '--runs', '300', '--json']
    const [one, other] = [await simulate(...flags), await simulate(...flags)]
    expect(one).toEqual(other)
    expect(JSON.parse(one.output)).toMatchObject({ runs: 300, seed: 424242 })
    // Also when several processes share them.
    expect(await simulate(...flags, '--jobs', '2')).toEqual(one)
    const log = [await simulate('--seed', '77', '--log'), await simulate('--seed', '77', '--log')]
    expect(log[0]).toEqual(log[1])
    expect(log[0]!.output.split('\n').length).toBeGreaterThan(50)
  })
})
