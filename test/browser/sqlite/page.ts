import type { UpstreamConfig } from './file-system.worker.ts'
import type { ScenarioName } from './scenarios.worker.ts'
import { type CaseResult, runUpstream } from './upstream.ts'

/** Runs a scenario in a worker of its own. */
function run(name: ScenarioName, ...args: unknown[]): Promise<unknown> {
  const worker = new Worker(new URL('./scenarios.worker.ts', import.meta.url), { type: 'module' })
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message))
    worker.onmessage = ({ data: { value, error } }: MessageEvent<{ value?: unknown; error?: string }>) => {
      worker.terminate()
      if (error === undefined) resolve(value)
      else reject(new Error(error))
    }
    worker.postMessage({ name, args })
  })
}

/** What tests reach from outside. */
const sqliteTests = { run, upstream: (config: UpstreamConfig): Promise<CaseResult[]> => runUpstream(config) }

declare global {
  interface Window {
    sqliteTests: typeof sqliteTests
  }
}
window.sqliteTests = sqliteTests
