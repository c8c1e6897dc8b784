import { expect, test, vi } from 'vitest'
import { WRITE_BACK_BYTES } from '../../../src/adapters/v86/limits.ts'
import { WriteBack } from '../../../src/adapters/v86/write-back.ts'
import { seededRandom } from '../../../src/async/random.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { FlakyStorage, onCalls } from '../../support/flaky-storage.ts'
import { SlowStorage } from '../../support/slow-storage.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const SIZE = 2 ** 20

function rig(size = SIZE) {
  const inner = new MemoryStorage(size)
  const flaky = new FlakyStorage(inner)
  const slow = new SlowStorage(flaky, { clock: new VirtualClock() })
  const onError = vi.fn()
  const onStored = vi.fn()
  return { inner, flaky, slow, onError, onStored, writes: new WriteBack(slow, { onError, onStored }) }
}

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

test('reads see what was written, stored or not, and writes end in their order', async () => {
  const seed = 5
  const random = seededRandom(seed)
  const { inner, writes } = rig()
  const shadow = new Uint8Array(SIZE)
  for (let step = 0; step < 300; step++) {
    const offset = Math.floor(random() * 40) * 512
    const length = (1 + Math.floor(random() * 8)) * 512
    if (random() < 0.7) {
      const data = new Uint8Array(length).fill(step)
      shadow.set(data, offset)
      writes.write(offset, data, () => {})
    } else {
      const read = Buffer.from(await writes.read(offset, length))
      expect(read.equals(shadow.subarray(offset, offset + length)), `seed ${seed}, step ${step}`).toBe(true)
    }
  }
  await writes.settled()
  expect(Buffer.from(held(inner, 0, SIZE)).equals(shadow)).toBe(true)
})

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
  const { inner, flaky, writes, onError, onStored } = rig()
  flaky.plan = onCalls('write', { times: 1 })
  writes.write(0, new Uint8Array(512).fill(1), () => {})
  writes.write(8192, new Uint8Array(512).fill(2), () => {})
  await expect(writes.settled()).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  expect(onError).toHaveBeenCalledTimes(1)
  expect(onError.mock.calls[0]!.slice(1)).toEqual([0, 512])
  await expect(writes.settled()).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  expect((await writes.read(0, 512))[0]).toBe(1)
  expect(onStored).not.toHaveBeenCalled()
  writes.retry()
  await writes.settled()
  expect(held(inner, 0, 1)[0]).toBe(1)
  expect(held(inner, 8192, 1)[0]).toBe(2)
  expect(onStored).toHaveBeenCalledTimes(1)
})
