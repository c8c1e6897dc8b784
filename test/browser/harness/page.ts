import { type Answer, type Call, carryOut, type NumberedCall } from './worker.ts'

/** Where in the browser a call is carried out. */
export type Where = 'page' | 'worker' | 'shared-worker'

/** A worker and the calls that wait for it. */
class Remote {
  readonly #port: MessagePort
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  readonly #failed: Promise<never>
  #calls = 0

  constructor(worker: Worker | SharedWorker) {
    this.#port = worker instanceof Worker ? (worker as unknown as MessagePort) : worker.port
    this.#port.onmessage = ({ data }: MessageEvent<Answer>) => this.#waiting.get(data.id)?.(data)
    this.#failed = new Promise((_, reject) => {
      worker.addEventListener('error', (event) =>
        reject(new Error(`the worker failed: ${(event as ErrorEvent).message}`)),
      )
    })
    this.#failed.catch(() => {}) // Reported to every call that waits.
  }

  async call(call: Call): Promise<unknown> {
    const id = this.#calls++
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
    this.#port.postMessage({ id, call } satisfies NumberedCall)
    const { value, error } = await Promise.race([answered, this.#failed])
    if (error !== undefined) throw new Error(error)
    return value
  }
}

let worker: Remote | undefined
let sharedWorker: Remote | undefined

/** Has a call carried out here, in this page's worker, or in the worker all tabs share; both are started on first use. */
function callThere(where: Where, call: Call): Promise<unknown> {
  if (where === 'page') return carryOut(call)
  if (where === 'worker') {
    worker ??= new Remote(new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' }))
    return worker.call(call)
  }
  sharedWorker ??= new Remote(new SharedWorker(new URL('./worker.ts', import.meta.url), { type: 'module' }))
  return sharedWorker.call(call)
}

declare global {
  interface Window {
    /** What tests reach from outside. */
    callThere: typeof callThere
  }
}
window.callThere = callThere
