import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/async/clock.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import type { Frame } from '../../src/protocol/frame.ts'
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts'
import { BATCH_BYTES, SEND_TURN_MS } from '../../src/protocol/limits.ts'
import { decodePacket } from '../../src/protocol/packets/packet.ts'
import { PADDING_FRAME_BYTES, paddingFrame } from '../../src/protocol/padding-frame.ts'
import { SendQueue } from '../../src/protocol/send-queue.ts'

/** A queue into a channel that always has room and takes `sendMs` for a send; what was sent is named by its first byte. */
function queueInto(sendMs: number, heard: (queue: SendQueue, turn: number) => void) {
  const sent: number[][] = []
  let now = 0
  let turns = 0
  const channel: Channel = {
    kind: 'test',
    ended: new Promise(() => {}),
    send: async (parts) => {
      now += sendMs
      sent.push(parts.map((part) => part[0]!))
    },
    receive: () => {},
    close: async () => {},
    abort: () => {},
  }
  const clock = {
    ...systemClock,
    now: () => now,
    yield: async () => {
      turns++
      heard(queue, turns)
    },
  }
  const queue = new SendQueue(channel, clock)
  return { queue, sent, turns: () => turns }
}

const frame = (name: number) => [new Uint8Array(BATCH_BYTES).fill(name)]

describe('a queue of frames into a channel that copies aligned data faster', () => {
  const DATA = 2 ** 18

  /** What is sent after `before` other bytes, and where its data begins. */
  async function sent(frames: readonly number[], { before = 0, pads = true } = {}) {
    const sizes: number[] = []
    const starts: number[] = []
    let at = before
    const channel: Channel = {
      kind: 'test',
      ended: new Promise(() => {}),
      gap: (bytes) => (64 - ((at + bytes) % 64)) % 64,
      send: async (parts) => {
        for (const part of parts) {
          if (part.length >= DATA) starts.push(at % 64)
          sizes.push(part.length)
          at += part.length
        }
      },
      receive: () => {},
      close: async () => {},
      abort: () => {},
    }
    const queue = new SendQueue(channel, systemClock, { pads })
    const pushed = frames.map((head) => queue.push([new Uint8Array(head), new Uint8Array(DATA)], { urgent: false }))
    await Promise.all([...pushed, queue.push([new Uint8Array(30)], { urgent: false })])
    return { sizes, starts }
  }

  it('pads the heads of large data, with frames that can be read and skipped', async () => {
    for (const before of [0, 1, 41, 42, 63]) {
      const { sizes, starts } = await sent([22, 22, 27, 64], { before })
      expect(starts, `after ${before} bytes`).toEqual([0, 0, 0, 0])
      expect(sizes.filter((size) => size !== DATA && size >= 13 + 64)).toEqual([])
    }
    for (let gap = 1; gap < 64; gap++) {
      const frames: Frame[] = []
      new FrameDecoder().push(paddingFrame(gap), (frame) => frames.push(frame))
      expect(frames.map(({ payload }) => decodePacket(payload).kind)).toEqual(['padding'])
      expect(paddingFrame(gap).length % 64).toBe(gap % 64)
      expect(paddingFrame(gap).length).toBeLessThanOrEqual(PADDING_FRAME_BYTES)
    }
  })

  it('pads nothing that is aligned already, and nothing for a peer that would not skip it', async () => {
    expect((await sent([64, 128])).sizes).toEqual([64, DATA, 128, DATA, 30])
    expect((await sent([22, 22], { pads: false })).sizes).toEqual([22, DATA, 22, DATA, 30])
  })
})

describe('a queue of frames', () => {
  it('lets the host hear what has come, although the channel always has room', async () => {
    const { queue, sent, turns } = queueInto(SEND_TURN_MS / 2, () => {})
    await Promise.all(Array.from({ length: 20 }, (_, index) => queue.push(frame(index), { urgent: false })))
    expect(sent.flat()).toEqual(Array.from({ length: 20 }, (_, index) => index))
    expect(turns()).toBeGreaterThanOrEqual(9)
  })

  it('sends what was asked for in such a moment before all that waits', async () => {
    const urgent: Promise<void>[] = []
    const { queue, sent } = queueInto(SEND_TURN_MS, (queue, turn) => {
      if (turn === 2) urgent.push(queue.push([Uint8Array.of(99)], { urgent: true }))
    })
    await Promise.all(Array.from({ length: 5 }, (_, index) => queue.push(frame(index), { urgent: false })))
    await Promise.all(urgent)
    expect(sent.flat()).toEqual([0, 1, 99, 2, 3, 4])
  })

  it('lets no more than one large frame at a time go ahead of what the channel has room for, urgent ones neither', async () => {
    const { queue, sent } = queueInto(0, () => {})
    const first = queue.push(frame(0), { urgent: false })
    const waiting = [1, 2, 3].map((name) => queue.push(frame(name), { urgent: name > 1 }))
    await Promise.all([first, ...waiting])
    expect(sent).toEqual([[0], [2], [3], [1]])
  })

  it('waits for nothing when nothing else is to be sent', async () => {
    const { queue, turns } = queueInto(10, () => {})
    await queue.push(frame(1), { urgent: false })
    await queue.push(frame(2), { urgent: false })
    expect(turns()).toBe(0)
  })
})
