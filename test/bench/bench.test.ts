import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import type { BenchmarkResult } from './benchmark.ts'

const goals: Record<string, unknown> = JSON.parse(readFileSync(new URL('goals.json', import.meta.url), 'utf8'))
const names = Object.keys(goals)
const results = new Map<string, BenchmarkResult>()
let complaints = ''

/** All of them take some minutes on two idle cores, and a multiple of that beside other tests on busy ones. */
const LONGEST_MS = 15 * 60_000

/** Runs the command as `npm run bench` does, at toy size; a benchmark that fails must not hide the others. */
beforeAll(async () => {
  const script = fileURLToPath(new URL('run.mjs', import.meta.url))
  const run = promisify(execFile)(process.execPath, [script, '--toy', '--json'], { maxBuffer: 2 ** 26 })
  const { stdout, stderr } = await run.catch((error: { stdout: string; stderr: string }) => error)
  complaints = stderr
  for (const line of stdout.split('\n').filter((line) => line !== '')) {
    const { name, ...result } = JSON.parse(line)
    results.set(name, result)
  }
}, LONGEST_MS)

describe('npm run bench, at toy size,', () => {
  it.each(names)('measures %s', (name) => {
    const result = results.get(name)
    expect(result, complaints).toBeDefined()
    const { value, unit, limit, ratio, runs, spread } = result!
    expect(Object.keys(result!)).toEqual(['value', 'unit', 'limit', 'ratio', 'runs', 'spread'])
    expect(unit).not.toBe('')
    for (const number of [value, spread]) expect(number).toSatisfy(Number.isFinite)
    for (const number of [limit, ratio]) expect(number).toSatisfy((it) => it === null || (it as number) > 0)
    expect(runs).toBeGreaterThan(0)
  })

  it('has a goal for each benchmark', () => {
    expect([...results.keys()].filter((name) => !names.includes(name))).toEqual([])
  })
})
