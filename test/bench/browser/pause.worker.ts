import { type PauseTask, type PauseTimes, runPause } from './pause-ends.ts'

/** What the worker is told: first nothing, to see that it runs, then a task with its data channel. */
export interface PauseOrder {
  readonly task?: PauseTask
  readonly channel?: RTCDataChannel
}

/** What it says when it has done that. */
export interface PauseDone {
  readonly times?: PauseTimes
  readonly error?: string
}

addEventListener('message', async ({ data: { task, channel } }: MessageEvent<PauseOrder>) => {
  const done = (message: PauseDone) => postMessage(message)
  try {
    done({ times: task && channel ? await runPause(task, channel) : { took: 0 } })
  } catch (error) {
    done({ error: error instanceof Error ? String(error.stack) : String(error) })
  }
})
