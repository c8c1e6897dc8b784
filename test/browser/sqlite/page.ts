import type { UpstreamConfig } from './file-system.worker.ts'
import type { ScenarioName } from './scenarios.worker.ts'
import type { SideNote, SideTask } from './side.ts'
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

/** Starts a side of a move, or looks at what is left of it. */
function side(message: { run: SideTask } | { look: SideTask['side'] }): void {
  const worker = new Worker(new URL('./side.worker.ts', import.meta.url), { type: 'module' })
  worker.onmessage = ({ data }: MessageEvent<SideNote>) => void window.hearSide(data)
  worker.onerror = (event) => void window.hearSide({ type: 'failed', message: event.message })
  worker.postMessage(message)
}

/** What tests reach from outside. */
const sqliteTests = { run, side, upstream: (config: UpstreamConfig): Promise<CaseResult[]> => runUpstream(config) }

declare global {
  interface Window {
    /** From a test: hears what a side tells. */
    hearSide: (note: SideNote) => Promise<void>
    sqliteTests: typeof sqliteTests
  }
}
window.sqliteTests = sqliteTests
