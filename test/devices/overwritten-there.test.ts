import { expect, test } from 'vitest'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts'
import { decodePacket, type Packet } from '../../src/protocol/packets/packet.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { memoryChannels } from '../../src/transports/memory.ts'

const BLOCK = 4096
const BLOCKS = 300
/** Whole blocks that the new owner overwrites, and a part of one. */
const FIRST = 200
const COUNT = 50
const PART = 280

class WatchedOrder extends AnyBlockOrder {
  readonly removed: number[] = []

  override remove(block: number): void {
    this.removed.push(block)
    super.remove(block)
  }
}

/** A channel of which all that is sent over it is heard. */
function overheard(channel: Channel, hear: (packet: Packet) => void): Channel {
  const decoder = new FrameDecoder(undefined, undefined, { takesMark: true })
  return {
    kind: channel.kind,
    ended: channel.ended,
    receive: (handler) => channel.receive(handler),
    close: () => channel.close(),
    abort: (reason) => channel.abort(reason),
    send: (parts) => {
      for (const part of parts) decoder.push(part.slice(), ({ payload }) => hear(decodePacket(payload)))
      return channel.send(parts)
    },
  }
}

test('blocks that a new owner has overwritten are not sent, and leave the order of the source', async () => {
  const { a, b } = memoryChannels()
  const sent = new Set<number>()
  const hear = (packet: Packet) => {
    if (packet.kind !== 'write-checked' && packet.kind !== 'write-at') return
    if (packet.kind === 'write-at' && packet.form !== 'data') throw new Error(packet.form)
    const { offset, data } = packet
    for (let at = offset; at < offset + data.length; at += BLOCK) sent.add(at / BLOCK)
  }
  const [near, far] = await Promise.all([
    openConnection([overheard(a, hear)], { role: 'dialer' }),
    openConnection([b], { role: 'listener' }),
  ])
  const source = new MemoryStorage(BLOCKS * BLOCK)
  source.writeAtSync(new Uint8Array(BLOCKS * BLOCK).fill(1), 0)
  const { remote } = createDirtyTracker(source, BLOCK)
  const order = new WatchedOrder(BLOCKS)
  const sending = sendDisk({
    connection: near,
    source: remote,
    name: 'disk',
    order,
    strategy: 'post-copy',
    // One block for each answer, from the first on: those behind are asked for, or declined, long before their turn.
    runBytes: BLOCK,
    concurrency: { any: 1 },
  })
  const { disk, cache, handedOver, whole } = await receiveDisk({
    connection: far,
    create: ({ size }) => new MemoryStorage(size),
  })
  await handedOver
  expect(cache.missingBlocks).toBeGreaterThan(BLOCKS - FIRST)
  const bytes = new Uint8Array(COUNT * BLOCK).fill(2)
  await disk.writeAt(bytes, FIRST * BLOCK)
  await disk.writeAt(bytes.subarray(0, 10), PART * BLOCK)
  await whole
  expect((await sending).acknowledged).toBe(true)
  const overwritten = Array.from({ length: COUNT }, (_, index) => FIRST + index)
  // The block that was written in part was needed, and left the order before its turn.
  expect(new Set(order.removed)).toEqual(new Set([...overwritten, PART]))
  expect([...sent].filter((block) => overwritten.includes(block))).toEqual([])
  expect(sent.size).toBe(BLOCKS - COUNT)
  const expected = new MemoryStorage(BLOCKS * BLOCK)
  expected.writeAtSync(new Uint8Array(BLOCKS * BLOCK).fill(1), 0)
  expected.writeAtSync(bytes, FIRST * BLOCK)
  expected.writeAtSync(bytes.subarray(0, 10), PART * BLOCK)
  expect(await compareDisks(expected, disk, BLOCK)).toMatchObject({ bytes: 0 })
})
