import { describe, expect, test } from 'vitest'
import { ArrivingWrites } from '../../src/protocol/arriving-writes.ts'
import { BlockGenerations } from '../../src/protocol/block-generations.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import { SendWindow } from '../../src/protocol/send-window.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { settled } from '../support/virtual-clock.ts'

test('a write that waits for another stores only what no list has voided meanwhile', async () => {
  const generations = new BlockGenerations()
  const writes = new ArrivingWrites(generations)
  let go = () => {}
  const first = writes.write({ start: 0, end: 3, generation: 0 }, () => new Promise((resolve) => (go = resolve)))
  const stored: number[][] = []
  const second = writes.write({ start: 0, end: 3, generation: 0 }, async (start, end) => void stored.push([start, end]))
  await settled()
  generations.raise(Uint32Array.of(1))
  go()
  await Promise.all([first, second])
  expect(stored).toEqual([
    [0, 1],
    [2, 3],
  ])
})

describe.each(['silo', 'blockferry/1'] as const)('in dialect %s', (dialect) => {
  test('a write of which the storage took less is not acknowledged', async () => {
    const { a, b } = memoryChannels()
    const [near, far] = await Promise.all([
      openConnection([a], { dialect, role: 'dialer' }),
      openConnection([b], { dialect, role: 'listener' }),
    ])
    const storage = new MemoryStorage(8192)
    new FromProtocol(far.rw, 1, () => ({
      provider: {
        size: storage.size,
        readAt: (target, offset) => storage.readAt(target, offset),
        writeAt: (data, offset) => storage.writeAt(data.subarray(0, data.length - 1), offset),
        flush: () => storage.flush(),
        close: () => storage.close(),
        cancelWrites: () => {},
      },
    }))
    const to = new ToProtocol(near.rw, { dev: 1, size: 8192, blockSize: 4096, name: 'disk' })
    await to.announce()
    await expect(to.writeAt(new Uint8Array(4096).fill(1), 0)).rejects.toMatchObject({
      code: expect.stringMatching(/^(SHORT_WRITE|WRITE_FAILED)$/),
    })
    await near.close()
  })
})

test('whoever waits for credit hears that there will be none', async () => {
  const window = new SendWindow()
  window.limit = 10
  await window.acquire(10)
  const waiting = window.acquire(10) as Promise<unknown>
  const reason = new Error('the link is gone')
  window.stop(reason)
  await expect(waiting).rejects.toBe(reason)
})
