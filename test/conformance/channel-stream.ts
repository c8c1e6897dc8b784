import { systemClock } from '../../src/async/clock.ts'
import { seededRandom } from '../../src/async/random.ts'
import type { Channel } from '../../src/protocol/channel.ts'

/** A prime, so that no power-of-two piece that is lost, doubled or moved leaves the stream as it was. */
const PERIOD = 65521

const table = (() => {
  const random = seededRandom(7)
  return Uint8Array.from({ length: PERIOD }, () => random() * 256)
})()

/** The bytes of the test stream from `position` on. */
export function streamBytes(position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let filled = 0; filled < length; ) {
    const from = (position + filled) % PERIOD
    const piece = table.subarray(from, Math.min(PERIOD, from + length - filled))
    bytes.set(piece, filled)
    filled += piece.length
  }
  return bytes
}

/** Receives the test stream, keeps the slices as they came and says when so many bytes are there. */
export class StreamReader {
  readonly #slices: Uint8Array[] = []
  readonly #waiting: { readonly bytes: number; readonly resolve: () => void }[] = []
  /** Bytes received. */
  count = 0
  /** Calls of the handler that have begun. */
  calls = 0
  /** What each call does before it is done. */
  work: ((bytes: Uint8Array) => Promise<void> | void) | undefined

  constructor(channel?: Channel) {
    if (channel) this.attach(channel)
  }

  attach(channel: Pick<Channel, 'receive'>): void {
    channel.receive((bytes) => {
      this.calls++
      this.#slices.push(bytes)
      this.count += bytes.length
      for (const waiter of this.#waiting) if (this.count >= waiter.bytes) waiter.resolve()
      return this.work?.(bytes)
    })
  }

  /** Resolves when at least so many bytes have come; rejects when they do not. */
  takes(bytes: number): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      if (this.count >= bytes) resolve()
      else this.#waiting.push({ bytes, resolve })
    })
    return inTime(reached, () => `${bytes} bytes, of which ${this.count} came in ${this.calls} slices`)
  }

  /** Fails unless exactly so many bytes came, all in their place. Slices are compared only now: they are the receiver's to keep. */
  check(bytes: number, what: string): void {
    if (this.count !== bytes) throw new Error(`${what}: expected ${bytes} bytes, got ${this.count}`)
    let position = 0
    for (const slice of this.#slices) {
      for (const byte of slice) {
        if (byte !== table[position % PERIOD]) throw new Error(`${what}: byte ${position} is another`)
        position++
      }
    }
  }
}

/** Milliseconds one step of a case may take before it is called hanging. */
const HANGING_MS = 15_000

/** Rejects, naming what was waited for, when it does not happen. */
export async function inTime<Value>(happening: Promise<Value>, what: string | (() => string)): Promise<Value> {
  const stop = new AbortController()
  const late = systemClock.sleep(HANGING_MS, stop.signal).then(() => {
    throw new Error(`waited in vain for ${typeof what === 'string' ? what : what()}`)
  })
  try {
    return await Promise.race([happening, late])
  } finally {
    stop.abort()
    late.catch(() => {}) // Stopped, or thrown above.
  }
}

/** Sends the stream in sends of these sizes, one after the other; resolves with its length. */
export async function sendSizes(channel: Channel, sizes: readonly number[]): Promise<number> {
  let position = 0
  for (const size of sizes) {
    await channel.send([streamBytes(position, size)])
    position += size
  }
  return position
}
