import type { BenchmarkResult } from '../benchmark.ts'
import { pausing } from './pausing.ts'
import { transports } from './transports.ts'
import type { Outcome, StorageBenchmark } from './worker.ts'

/** Runs a benchmark in a worker of its own. */
function measureStorage(benchmark: StorageBenchmark): Promise<BenchmarkResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    worker.onerror = (event) => reject(new Error(event.message))
    worker.onmessage = ({ data }: MessageEvent<Outcome>) => {
      worker.terminate()
      if (data.result) resolve(data.result)
      else reject(new Error(data.error))
    }
    worker.postMessage(benchmark)
  })
}

/** What benchmarks reach from outside. */
const bench = { measureStorage, ...transports, ...pausing }

declare global {
  interface Window {
    bench: typeof bench
  }
}
window.bench = bench
