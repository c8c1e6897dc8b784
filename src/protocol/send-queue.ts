import { abortError, throwIfAborted } from '../async/abort.ts'
import { onAbort } from '../async/abort-watch.ts'
import { type Clock, systemClock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from './channel.ts'
import { GUARD_MARK } from './frame.ts'
import { ALIGNED_DATA_BYTES, BATCH_BYTES, CLOSE_MS, QUEUED_FRAMES, SEND_TURN_MS } from './limits.ts'
import { paddingFrame } from './padding-frame.ts'

interface QueuedFrame {
  readonly pieces: readonly Uint8Array[]
  readonly sent: () => void
  readonly failed: (reason: unknown) => void
}

/** How a frame is queued. */
export interface PushOptions {
  readonly urgent: boolean
  /** Drops the frame, or, once the channel reads it, ends the wait for that as soon as nothing is borrowed. */
  readonly signal?: AbortSignal | undefined
  /** Whether a piece is memory that the caller wants to use again. Default: true. */
  readonly borrows?: boolean
}

/**
 * Frames on their way into a channel: urgent ones pass all that wait, and small ones that wait together share a send. What the channel has
 * already taken cannot be passed; it takes little at a time.
 */
export class SendQueue {
  readonly #channel: Channel
  readonly #clock: Clock
  readonly #pads: boolean
  readonly #urgent: QueuedFrame[] = []
  readonly #bulk: QueuedFrame[] = []
  #isSending = false
  /** Whether heads are guarded, and the peer has yet to be told. */
  #guard: 'none' | 'due' | 'guarded' = 'none'
  #end: { readonly reason: unknown } | undefined
  /** Ends {@link #cutOff}. */
  #patience: AbortController | undefined

  /** `pads`: whether the peer skips padding, which goes before large data where the channel is faster for it. */
  constructor(channel: Channel, clock: Clock = systemClock, { pads = false } = {}) {
    this.#channel = channel
    this.#clock = clock
    this.#pads = pads && channel.gap !== undefined
  }

  /** Whether nothing more is taken. */
  get isFull(): boolean {
    return this.#urgent.length >= QUEUED_FRAMES || this.#bulk.length >= QUEUED_FRAMES
  }

  /** Frames queued from here on are guarded; those queued before have left. */
  guard(): void {
    this.#guard = 'due'
  }

  /** What has to go before the next frame, to be sent at once. */
  takeMark(): readonly Uint8Array[] {
    if (this.#guard !== 'due') return []
    this.#guard = 'guarded'
    return [GUARD_MARK]
  }

  /**
   * Queues one frame, borrowed until the promise settles: then the channel has taken it and has room again, or it is not sent.
   * @throws StorageError `LIMIT_EXCEEDED` when too many wait already; `ABORTED`; the reason of the end after {@link stop}.
   */
  push(pieces: readonly Uint8Array[], options: PushOptions): Promise<void> {
    if (this.#end) return Promise.reject(this.#end.reason)
    const queue = options.urgent ? this.#urgent : this.#bulk
    if (queue.length >= QUEUED_FRAMES) {
      return Promise.reject(new StorageError('LIMIT_EXCEEDED', `More than ${QUEUED_FRAMES} frames wait to be sent.`))
    }
    const { signal } = options
    const frame = new Promise<void>((sent, failed) => {
      if (signal) this.#enqueue(queue, { pieces, sent, failed }, { ...options, signal })
      else queue.push({ pieces, sent, failed })
    })
    if (!this.#isSending) void this.#send()
    return frame
  }

  #enqueue(
    queue: QueuedFrame[],
    { pieces, sent, failed }: QueuedFrame,
    { signal, borrows = true }: PushOptions & { signal: AbortSignal },
  ): void {
    throwIfAborted(signal)
    const over = onAbort(signal, () => {
      const at = queue.indexOf(frame)
      if (at >= 0) queue.splice(at, 1)
      if (at >= 0 || !borrows) failed(abortError(signal))
      else void this.#cutOff()
    })
    const settle = (end: () => void) => {
      over()
      if (signal.aborted) failed(abortError(signal))
      else end()
    }
    const frame = { pieces, sent: () => settle(sent), failed: (reason: unknown) => settle(() => failed(reason)) }
    queue.push(frame)
  }

  /** Nobody wants any more what the channel is reading, and that is still borrowed: the wait for a peer that does not take it has an end. */
  async #cutOff(): Promise<void> {
    if (this.#patience) return
    this.#patience = new AbortController()
    const isOver = this.#clock.sleep(CLOSE_MS, this.#patience.signal).then(
      () => true,
      () => false, // It has been taken.
    )
    if (await isOver) this.#channel.abort(new StorageError('PEER_LOST', 'The peer does not take what was sent to it.'))
  }

  /** Rejects what waits and what comes with the reason. */
  stop(reason: unknown): void {
    this.#end ??= { reason }
    for (const frame of [...this.#urgent.splice(0), ...this.#bulk.splice(0)]) frame.failed(reason)
  }

  async #send(): Promise<void> {
    this.#isSending = true
    let turnAt = this.#clock.now()
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      try {
        await this.#channel.send(this.#pieces(batch))
        for (const frame of batch) frame.sent()
        // A channel with room resolves at once, and so does reading the next block from memory: what the peer says would never be heard.
        if (this.#clock.now() - turnAt >= SEND_TURN_MS && this.#bulk.length > 0) {
          await this.#clock.yield()
          turnAt = this.#clock.now()
        }
      } catch (error) {
        for (const frame of batch) frame.failed(error)
        this.stop(error)
      }
      this.#patience?.abort()
      this.#patience = undefined
    }
    this.#isSending = false
  }

  #pieces(batch: readonly QueuedFrame[]): readonly Uint8Array[] {
    const all: Uint8Array[] = [...this.takeMark()]
    if (!this.#pads) return all.concat(...batch.map(({ pieces }) => pieces))
    let before = bytesOf(all)
    for (const { pieces } of batch) {
      const data = pieces.at(-1)!.length
      const frame = bytesOf(pieces)
      const gap = data < ALIGNED_DATA_BYTES ? 0 : this.#channel.gap!(before + frame - data)
      if (gap > 0) before += all[all.push(paddingFrame(gap, this.#guard === 'guarded')) - 1]!.length
      all.push(...pieces)
      before += frame
    }
    return all
  }

  /** The frames of the next send: urgent ones first, then bulk ones, up to a size that keeps one that is more urgent waiting only briefly. */
  #take(): QueuedFrame[] {
    const batch: QueuedFrame[] = []
    let bytes = 0
    for (const queue of [this.#urgent, this.#bulk]) {
      let count = 0
      while (count < queue.length && (bytes === 0 || bytes < BATCH_BYTES)) bytes += bytesOf(queue[count++]!.pieces)
      batch.push(...queue.splice(0, count))
    }
    return batch
  }
}

function bytesOf(pieces: readonly Uint8Array[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}
