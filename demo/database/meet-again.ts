import { systemClock } from '../../src/async/clock.ts'
import { errorCode } from '../../src/errors/storage-error.ts'
import { type Pair, pair } from '../travel/pair.ts'
import { meetingOf } from '../travel/travel-record.ts'

/** Why the other side is not found now, and may be later. */
const LATER: ReadonlySet<string> = new Set(['PEER_LOST', 'BUSY', 'NOT_FOUND', 'OPEN_FAILED', 'LIMIT_EXCEEDED'])

/** Milliseconds between two looks. */
const LOOK_MS = 1000

/** How to meet a side that was met before. */
export interface MeetAgainOptions {
  /** What both have made of what they said over the connection that was lost. */
  readonly meeting: string
  readonly as: 'host' | 'guest'
  readonly worker: Worker
  readonly signal: AbortSignal
  /** How often to look. */
  readonly looks: number
}

/** Undefined when the other side was not found. @throws StorageError what is no reason to look once more, `ABORTED` */
export async function meetAgain({ meeting, looks, ...options }: MeetAgainOptions): Promise<Pair | undefined> {
  const invitation = (await meetingOf({ meeting }))!
  for (let look = 0; look < looks; look++) {
    try {
      return await pair({ ...options, invitation })
    } catch (error) {
      if (!LATER.has(errorCode(error) ?? '')) throw error
      await systemClock.sleep(LOOK_MS, options.signal)
    }
  }
  return undefined
}
