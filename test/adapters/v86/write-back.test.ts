import { expect, test, vi } from 'vitest'
import { MOST_PENDING_BYTES, TOO_FAR_AHEAD_BYTES, WRITE_BACK_BYTES } from '../../../src/adapters/v86/limits.ts'
import { WriteBack } from '../../../src/adapters/v86/write-back.ts'
import { seededRandom } from '../../../src/async/random.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { FlakyStorage, onCalls } from '../../support/flaky-storage.ts'
import { SlowStorage } from '../../support/slow-storage.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const SIZE = 2 ** 20

function rig(size = SIZE, latencyMs?: () => number) {
  const inner = new MemoryStorage(size)
  const flaky = new FlakyStorage(inner)
  const clock = new VirtualClock()
  const slow = new SlowStorage(flaky, { clock, ...(latencyMs ? { latencyMs } : {}) })
  const onError = vi.fn()
  return { inner, flaky, slow, clock, onError, writes: new WriteBack(slow, onError) }
}

const sector = (value: number) => new Uint8Array(512).fill(value)

const held = (storage: MemoryStorage, offset: number, length: number) => {
  const bytes = new Uint8Array(length)
  storage.readAtSync(bytes, offset)
  return bytes
}

test('a view that is used again at once is stored as it was', async () => {
  const { inner, writes } = rig()
  const buffer = new Uint8Array(1024).fill(1)
  const taken = vi.fn()
  writes.write(0, buffer.subarray(0, 512), taken)
  buffer.fill(2)
  writes.write(512, buffer.subarray(0, 512), taken)
  buffer.fill(3)
  expect(taken).toHaveBeenCalledTimes(2)
  await writes.settled()
  expect(held(inner, 0, 1024)).toEqual(Uint8Array.from({ length: 1024 }, (_, at) => (at < 512 ? 1 : 2)))
})

test.each([5, 6, 7, 8, 9, 10, 11, 12])(
  'reads see what was written, stored or not, and writes end in their order, seed %i',
  async (seed) => {
    const random = seededRandom(seed)
    const { inner, writes } = rig(SIZE, () => random() * 5)
    const shadow = new Uint8Array(SIZE)
    for (let step = 0; step < 300; step++) {
      const offset = Math.floor(random() * 40) * 512
      const length = (1 + Math.floor(random() * 8)) * 512
      if (random() < 0.7) {
        const data = new Uint8Array(length).fill(step)
        shadow.set(data, offset)
        writes.write(offset, data, () => {})
      } else if (random() < 0.2) writes.hurry()
      else {
        const read = Buffer.from(await writes.read(offset, length))
        expect(read.equals(shadow.subarray(offset, offset + length)), `seed ${seed}, step ${step}`).toBe(true)
      }
    }
    await writes.settled()
    expect(Buffer.from(held(inner, 0, SIZE)).equals(shadow)).toBe(true)
  },
)

test('neighbours are stored together', async () => {
  const { flaky, writes } = rig()
  for (let sector = 0; sector < 64; sector++) writes.write(sector * 512, new Uint8Array(512).fill(sector), () => {})
  await writes.settled()
  // The first one goes alone, before there is a second.
  expect(flaky.calls.write).toBe(2)
})

test('a writer that is far ahead waits', async () => {
  const { writes } = rig(4 * WRITE_BACK_BYTES)
  const piece = WRITE_BACK_BYTES / 4
  const taken: number[] = []
  for (let index = 0; index < 6; index++) writes.write(index * piece, new Uint8Array(piece), () => taken.push(index))
  expect(taken).toEqual([0, 1, 2, 3])
  await vi.waitFor(() => expect(taken).toEqual([0, 1, 2, 3, 4, 5]))
  await writes.settled()
  expect(writes.pendingBytes).toBe(0)
})

test('what fails stays, is read as written, and is stored when tried again', async () => {
  const { inner, flaky, writes, onError } = rig()
  flaky.plan = onCalls('write', { times: 1 })
  writes.write(0, sector(1), () => {})
  writes.write(8192, sector(2), () => {})
  await expect(writes.settled()).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  expect(onError).toHaveBeenCalledTimes(1)
  expect(onError.mock.calls[0]!.slice(1)).toEqual([0, 512])
  await expect(writes.settled()).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  expect((await writes.read(0, 512))[0]).toBe(1)
  writes.retry()
  await writes.settled()
  expect(held(inner, 0, 1)[0]).toBe(1)
  expect(held(inner, 8192, 1)[0]).toBe(2)
})

test('what failed is tried again with the next write, and before it', async () => {
  const { inner, flaky, writes } = rig()
  flaky.plan = onCalls('write', { times: 1 })
  writes.write(0, sector(1), () => {})
  await expect(writes.settled()).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  writes.write(0, sector(2), () => {})
  await writes.settled()
  expect(writes.pendingBytes).toBe(0)
  expect(held(inner, 0, 1)[0]).toBe(2)
})

test('who waits for what was written so far does not wait for what is written meanwhile', async () => {
  const { inner, writes, clock } = rig()
  writes.write(0, sector(1), () => {})
  writes.write(8192, sector(2), () => {})
  let isSettled = false
  const settled = writes.settled().then(() => {
    isSettled = true
    expect(held(inner, 8192, 1)[0]).toBe(2)
    expect(writes.pendingBytes).toBeGreaterThan(0)
  })
  // Always one more than is stored.
  for (let turn = 0; turn < 100 && !isSettled; turn++) {
    writes.write(16384 + turn * 1024, sector(3), () => {})
    await clock.sleep(0.5)
  }
  expect(isSettled).toBe(true)
  await settled
})

test('in a hurry all that waits is under way in one turn, but for what must wait for its turn', async () => {
  const { inner, slow, writes } = rig()
  for (const [index, offset] of [0, 4096, 8192, 12288].entries()) writes.write(offset, sector(index), () => {})
  expect(slow.active).toBe(1)
  writes.hurry()
  expect(slow.active).toBe(4)
  writes.write(20480, sector(5), () => {})
  writes.write(8192, sector(6), () => {})
  writes.write(24576, sector(7), () => {})
  writes.hurry()
  expect(slow.active).toBe(5)
  await writes.settled()
  expect([0, 4096, 8192, 12288, 20480, 24576].map((offset) => held(inner, offset, 1)[0])).toEqual([0, 1, 6, 3, 5, 7])
})

test('a write in a hurry that fails is tried again with those behind it', async () => {
  const { inner, flaky, writes, onError } = rig()
  for (const [index, offset] of [0, 4096, 8192].entries()) writes.write(offset, sector(index + 1), () => {})
  flaky.plan = onCalls('write', { from: 2, times: 1 })
  writes.hurry()
  await expect(writes.settled()).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  expect(onError).toHaveBeenCalledTimes(1)
  writes.retry()
  await writes.settled()
  expect([0, 4096, 8192].map((offset) => held(inner, offset, 1)[0])).toEqual([1, 2, 3])
})

test('a writer that never waits is told, and is refused before memory runs out', async () => {
  const { slow, writes, onError } = rig(2 * MOST_PENDING_BYTES)
  slow.writeAt = () => new Promise(() => {})
  const piece = 2 ** 20
  const bytes = new Uint8Array(piece)
  const write = (to: number) => {
    for (let at = writes.pendingBytes; at < to; at += piece) writes.write(at, bytes, () => {})
  }
  write(TOO_FAR_AHEAD_BYTES)
  expect(onError).not.toHaveBeenCalled()
  write(MOST_PENDING_BYTES)
  expect(onError).toHaveBeenCalledTimes(1)
  expect(onError.mock.calls[0]![0]).toMatchObject({ code: 'LIMIT_EXCEEDED' })
  writes.write(MOST_PENDING_BYTES, bytes, () => {})
  expect(onError).toHaveBeenCalledTimes(2)
  expect(writes.pendingBytes).toBe(MOST_PENDING_BYTES)
})
