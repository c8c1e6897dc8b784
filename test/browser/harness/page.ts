import { IndexedDbStorage } from '../../../src/sources/indexeddb.ts'
import { OpfsStorage } from '../../../src/sources/opfs.ts'
import { listCases, runCase } from './suites.ts'
import type { SuiteCall, SuiteReply } from './worker.ts'

const waiting = new Map<number, (reply: SuiteReply) => void>()
let calls = 0
let worker: Worker | undefined

/** Has a call answered by a dedicated worker, started on first use. */
function inWorker(call: Omit<SuiteCall, 'id'>): Promise<SuiteReply> {
  if (!worker) {
    worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    worker.onmessage = ({ data }: MessageEvent<SuiteReply>) => waiting.get(data.id)?.(data)
  }
  const id = calls++
  worker.postMessage({ id, ...call } satisfies SuiteCall)
  return new Promise((resolve, reject) => {
    worker!.addEventListener('error', (event) => reject(new Error(event.message)), { once: true })
    waiting.set(id, resolve)
  })
}

/** What tests reach as `window.harness`. */
export const harness = {
  listInPage: async (suite: string) => listCases(suite),
  listInWorker: async (suite: string) => (await inWorker({ suite, index: undefined })).names!,
  runInPage: runCase,
  runInWorker: async (suite: string, index: number) => (await inWorker({ suite, index })).failure,
  IndexedDbStorage,
  OpfsStorage,
}

export type Harness = typeof harness

declare global {
  interface Window {
    harness: Harness
  }
}
window.harness = harness
