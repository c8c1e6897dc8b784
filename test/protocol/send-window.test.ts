import { describe, expect, test } from 'vitest'
import {
  FIRST_WINDOW_BYTES,
  FRESH_TRIP_MS,
  HURRY_MS,
  LEAST_FRESH_TRIP_MS,
  LEAST_REQUESTS,
  LEAST_WINDOW_BYTES,
  LONG_REQUEST_MS,
  WINDOW_BYTES,
} from '../../src/protocol/limits.ts'
import { type Credit, SendWindow } from '../../src/protocol/send-window.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const REQUEST = 2 ** 18

/** A link that delivers one request after the other and answers half a round trip later. */
class Link {
  readonly clock = new VirtualClock({ automatic: false })
  readonly window: SendWindow
  answered = 0
  /** Longest time a request spent waiting in front of the link. */
  queuedMs = 0
  #freeAt = 0

  readonly bytesPerMs: number
  readonly tripMs: number

  constructor(bytesPerMs: number, tripMs: number, requestBytes = 0) {
    this.bytesPerMs = bytesPerMs
    this.tripMs = tripMs
    this.window = new SendWindow(this.clock, requestBytes)
  }

  /** Keeps the window full for so long. */
  async run(ms: number): Promise<void> {
    const end = this.clock.now() + ms
    const sender = (async () => {
      while (this.clock.now() < end) void this.#carry(await this.window.acquire(REQUEST))
    })()
    await this.clock.advance(ms)
    void sender
  }

  async #carry(credit: Credit): Promise<void> {
    const now = this.clock.now()
    this.queuedMs = Math.max(this.queuedMs, this.#freeAt - now)
    this.#freeAt = Math.max(now, this.#freeAt) + REQUEST / this.bytesPerMs
    await this.clock.sleep(this.#freeAt - now + this.tripMs)
    this.answered += REQUEST
    this.window.release(credit, true)
  }
}

test.each([
  ['long on a fast link', 2 ** 20 / LONG_REQUEST_MS + 1, false],
  ['short on a slow one, and few', 2 ** 20 / LONG_REQUEST_MS - 1, true],
])('requests of a channel that prefers large ones are %s', async (_, bytesPerMs, short) => {
  const link = new Link(bytesPerMs, 1, 2 ** 20)
  expect(link.window.wantsShort).toBe(false)
  await link.run(1000)
  expect(link.window.wantsShort).toBe(short)
  expect(link.window.bytes < LEAST_REQUESTS * 2 ** 20).toBe(short)
})

describe('the window', () => {
  test('holds no more than the link while the peer waits for something, and fills it all the same', async () => {
    const link = new Link(100_000, 20)
    await link.run(2000)
    const wide = link.window.bytes
    link.window.hurry()
    expect(link.window.bytes).toBeLessThanOrEqual(wide / 2 + 1)
    expect(link.window.bytes).toBeGreaterThan(100_000 * 20 * 0.8)
    await link.clock.advance(HURRY_MS)
    expect(link.window.bytes).toBeCloseTo(wide, 3)
  })

  test('lets a channel that prefers large requests have two of them, but not while the peer waits for something', async () => {
    const clock = new VirtualClock({ automatic: false })
    const window = new SendWindow(clock, 2 ** 20)
    const credit = await window.acquire(REQUEST)
    await clock.advance(1)
    window.release(credit, true)
    expect(window.bytes).toBe(2 ** 21)
    window.hurry()
    expect(window.bytes).toBe(LEAST_WINDOW_BYTES)
  })

  test.each([
    [100_000, 100],
    [20_000, 50],
    [1_000_000, 5],
  ])('fills a link of %i bytes a millisecond and a round trip of %i ms', async (bytesPerMs, tripMs) => {
    const link = new Link(bytesPerMs, tripMs)
    await link.run(3000)
    expect(link.answered / 3000 / bytesPerMs).toBeGreaterThan(0.8)
  })

  test('does not pile up requests in front of a link: at most as much as the link holds, or the least window', async () => {
    const link = new Link(20_000, 50)
    await link.run(2000)
    link.queuedMs = 0
    await link.run(1000)
    expect(link.queuedMs).toBeLessThan(50 + 2 * (LEAST_WINDOW_BYTES / 20_000))
    const near = new Link(1_000_000, 0.1)
    await near.run(500)
    near.queuedMs = 0
    await near.run(500)
    expect(near.window.bytes).toBeLessThan(3 * LEAST_WINDOW_BYTES)
    expect(near.queuedMs).toBeLessThanOrEqual(1.1)
  })

  test('does not grow for ever by the delay it makes itself', async () => {
    const link = new Link(20_000, 20)
    await link.run(FRESH_TRIP_MS * 3)
    expect(link.window.bytes).toBeLessThan(3 * 20_000 * (20 + LEAST_WINDOW_BYTES / 20_000))
  })

  test('shrinks within half a second when trips were long because answers were heard only after each burst', async () => {
    const bytesPerMs = 1_000_000
    const clock = new VirtualClock({ automatic: false })
    const window = new SendWindow(clock)
    const end = clock.now() + LEAST_FRESH_TRIP_MS + 100
    let widest = 0
    while (clock.now() < end) {
      const credits: Credit[] = []
      while (window.usedBytes === 0 || window.usedBytes + REQUEST <= window.bytes) {
        credits.push((await window.acquire(REQUEST)) as Credit)
      }
      widest = Math.max(widest, window.usedBytes)
      await clock.advance(0.1 + window.usedBytes / bytesPerMs)
      for (const credit of credits) window.release(credit, true)
    }
    expect(widest).toBeGreaterThanOrEqual(FIRST_WINDOW_BYTES)
    expect(window.bytes).toBeLessThanOrEqual(3 * LEAST_WINDOW_BYTES)
  })

  test('never exceeds what the peer allows, nor is it nothing before anything is known', async () => {
    const link = new Link(1_000_000, 100)
    expect(link.window.bytes).toBe(FIRST_WINDOW_BYTES)
    await link.run(2000)
    expect(link.window.bytes).toBe(WINDOW_BYTES)
    link.window.limit = 1000
    expect(link.window.bytes).toBe(1000)
  })

  test('lets a request larger than itself pass alone, and those that wait in turn', async () => {
    const window = new SendWindow(new VirtualClock({ automatic: false }))
    const large = (await window.acquire(2 ** 30)) as Credit
    const order: number[] = []
    const waiting = [1, 2].map(async (bytes) => {
      await window.acquire(bytes)
      order.push(bytes)
    })
    expect(order).toEqual([])
    window.release(large, false)
    await Promise.all(waiting)
    expect(order).toEqual([1, 2])
    expect(window.usedBytes).toBe(3)
  })
})
