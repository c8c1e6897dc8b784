/**
 * Counts what vitest's JSON report says, so that nothing that went wrong is missed: files that do not load, errors outside tests, and a run
 * that ended without a report are failures too.
 *
 * @param {string | undefined} report the JSON, undefined when there is none
 * @param {number} exitCode of vitest
 * @returns {{ passed: number, failed: number, skippedNames: string[], problems: string[] }}
 */
export function countResults(report, exitCode) {
  if (report === undefined) return crashed('vitest ended without results')
  let parsed
  try {
    parsed = JSON.parse(report)
  } catch {
    return crashed('the results of vitest are not complete')
  }
  const counts = { passed: 0, failed: 0, skippedNames: [], problems: [] }
  for (const file of parsed.testResults) {
    let failedInFile = 0
    for (const test of file.assertionResults) {
      if (test.status === 'passed') counts.passed++
      else if (test.status === 'failed') failedInFile++
      else counts.skippedNames.push(`${file.name}: ${test.fullName}`)
    }
    counts.failed += failedInFile
    if (file.status === 'failed' && failedInFile === 0) {
      counts.failed++
      counts.problems.push(`${file.name}: ${file.message || 'failed outside its tests'}`)
    }
  }
  if (counts.passed + counts.failed === 0) return crashed('vitest found no tests')
  if (exitCode !== 0 && counts.failed === 0) {
    counts.failed++
    counts.problems.push(
      `vitest ended with exit code ${exitCode} although every test passed: an error outside the tests`,
    )
  }
  return counts
}

function crashed(problem) {
  return { passed: 0, failed: 1, skippedNames: [], problems: [problem] }
}
