import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/async/clock.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { BATCH_BYTES, SEND_TURN_MS } from '../../src/protocol/limits.ts'
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

  it('waits for nothing when nothing else is to be sent', async () => {
    const { queue, turns } = queueInto(10, () => {})
    await queue.push(frame(1), { urgent: false })
    await queue.push(frame(2), { urgent: false })
    expect(turns()).toBe(0)
  })
})
