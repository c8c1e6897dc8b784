// Runs one file of tests with a bug planted in what it imports.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { project } from '../../../demo/install.mjs'

const vitest = join(project, 'node_modules/vitest/vitest.mjs')

/** A test that waits for ever has its own limit; some files wait in several. */
const LONGEST_FILE_MS = 600_000

/** @returns the test that failed; without one when none did */
export function testMutant({ name, killedBy }) {
  const flags = ['run', '--config', 'test/simulation/mutants/vitest.config.ts', '--bail', '1', '--reporter', 'json']
  const options = { cwd: project, maxBuffer: 2 ** 28, timeout: LONGEST_FILE_MS }
  const env = { ...process.env, PLANTED_BUG: name }
  return new Promise((resolve) => {
    execFile(process.execPath, [vitest, ...flags, killedBy], { ...options, env }, (error, stdout) => {
      try {
        const { testResults } = JSON.parse(stdout.slice(stdout.indexOf('{')))
        const failed = testResults.flatMap(({ assertionResults }) => assertionResults).find(isFailed)
        resolve(failed ? { law: failed.fullName, message: String(failed.failureMessages[0]).split('\n')[0] } : {})
      } catch {
        resolve({ message: `The tests came to no result: ${error?.message.split('\n')[0]}` })
      }
    })
  })
}

const isFailed = ({ status }) => status === 'failed'
