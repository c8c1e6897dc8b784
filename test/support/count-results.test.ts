import { describe, expect, it } from 'vitest'
import { countResults } from './count-results.mjs'

const file = (status: string, ...statuses: string[]) => ({
  name: 'a.test.ts',
  status,
  message: status === 'failed' ? 'Cannot find module' : '',
  assertionResults: statuses.map((each, index) => ({ status: each, fullName: `test ${index}` })),
})
const report = (...testResults: unknown[]) => JSON.stringify({ testResults })

describe('countResults', () => {
  it('counts what passed, failed and was skipped', () => {
    const counts = countResults(
      report(file('failed', 'passed', 'failed', 'pending'), file('passed', 'passed', 'todo')),
      1,
    )
    expect(counts).toMatchObject({ passed: 2, failed: 1, problems: [] })
    expect(counts.skippedNames).toEqual(['a.test.ts: test 2', 'a.test.ts: test 1'])
  })

  it.each([
    ['no report', undefined, 0],
    ['half a report', '{"testResults": [', 1],
    ['a report without tests', report(), 0],
    ['a file that does not load', report(file('passed', 'passed'), file('failed')), 1],
    ['a file that fails outside its tests', report(file('failed', 'passed')), 1],
    ['an error outside all tests', report(file('passed', 'passed')), 1],
  ])('counts %s as one failure and says so', (_, json, exitCode) => {
    const { failed, problems } = countResults(json, exitCode)
    expect({ failed, problems: problems.length }).toEqual({ failed: 1, problems: 1 })
  })

  it('finds nothing wrong with a good run', () => {
    expect(countResults(report(file('passed', 'passed')), 0)).toEqual({
      passed: 1,
      failed: 0,
      skippedNames: [],
      problems: [],
    })
  })
})
