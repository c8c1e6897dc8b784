import type { BenchmarkResult } from '../benchmark.ts'
import type { Outcome, StorageBenchmark } from './worker.ts'

declare global {
  interface Window {
    /** Runs a benchmark in a worker of its own. */
    measure: (benchmark: StorageBenchmark) => Promise<BenchmarkResult>
  }
}

window.measure = (benchmark) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    worker.onerror = (event) => reject(new Error(event.message))
    worker.onmessage = ({ data }: MessageEvent<Outcome>) => {
      worker.terminate()
      if (data.result) resolve(data.result)
      else reject(new Error(data.error))
    }
    worker.postMessage(benchmark)
  })
