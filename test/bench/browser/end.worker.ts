import { type Link, prepare, run, type Task } from './ends.ts'

/** What the worker is told: first the task alone, for preparing, then with a link. */
export interface Order {
  readonly task: Task
  readonly link?: Link
}

/** What it says when it has done that. */
export interface Done {
  readonly ms?: number
  readonly error?: string
}

type Face = Pick<MessagePort, 'postMessage' | 'addEventListener'>

function obey(face: Face): void {
  face.addEventListener('message', async ({ data: { task, link } }: MessageEvent<Order>) => {
    const done = (message: Done) => face.postMessage(message)
    try {
      if (link === undefined) prepare(task)
      done({ ms: link === undefined ? 0 : await run(task, link) })
    } catch (error) {
      done({ error: error instanceof Error ? String(error.stack) : String(error) })
    }
  })
}

// A worker of one page is told directly, a shared one by the port of each page.
if ('onconnect' in globalThis) {
  addEventListener('connect', (event) => {
    const port = (event as MessageEvent).ports[0]!
    obey(port)
    port.start()
  })
} else obey(globalThis as unknown as Face)
