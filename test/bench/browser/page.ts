import type { BenchmarkResult } from '../benchmark.ts'
import { pausing } from './pausing.ts'
import type { SqliteBenchmark } from './sqlite.worker.ts'
import { transports } from './transports.ts'
import type { Outcome, StorageBenchmark } from './worker.ts'

/** Runs a benchmark in a worker of its own. */
function measureStorage(benchmark: StorageBenchmark): Promise<BenchmarkResult> {
  return measureIn(new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' }), benchmark)
}

/** Runs a benchmark of SQLite in a worker of its own. */
function measureSqlite(benchmark: SqliteBenchmark): Promise<BenchmarkResult> {
  return measureIn(new Worker(new URL('./sqlite.worker.ts', import.meta.url), { type: 'module' }), benchmark)
}

function measureIn(worker: Worker, benchmark: StorageBenchmark | SqliteBenchmark): Promise<BenchmarkResult> {
  return new Promise((resolve, reject) => {
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
const bench = { measureStorage, measureSqlite, ...transports, ...pausing }

declare global {
  interface Window {
    bench: typeof bench
  }
}
window.bench = bench
