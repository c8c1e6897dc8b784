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

addEventListener('message', async ({ data: { task, link } }: MessageEvent<Order>) => {
  const done = (message: Done) => postMessage(message)
  try {
    if (link === undefined) prepare(task)
    done({ ms: link === undefined ? 0 : await run(task, link) })
  } catch (error) {
    done({ error: error instanceof Error ? String(error.stack) : String(error) })
  }
})
