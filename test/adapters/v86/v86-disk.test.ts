import { afterEach, expect, test, vi } from 'vitest'
import { FLUSH_MS } from '../../../src/adapters/v86/limits.ts'
import { V86Disk, type V86DiskError } from '../../../src/adapters/v86/v86-disk.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { FlakyStorage, onCalls } from '../../support/flaky-storage.ts'
import { SlowStorage } from '../../support/slow-storage.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const SIZE = 64 * 1024

function rig() {
  const clock = new VirtualClock({ automatic: false })
  const flaky = new FlakyStorage(new MemoryStorage(SIZE))
  const errors: V86DiskError[] = []
  const disk = new V86Disk(new SlowStorage(flaky, { clock: new VirtualClock() }), { id: 'one', blockSize: 4096, clock })
  disk.on('error', (error) => errors.push(error))
  return { clock, flaky, disk, errors }
}

const reading = (disk: V86Disk, start: number, length: number) =>
  new Promise<Uint8Array>((resolve) => disk.get(start, length, resolve))

afterEach(() => vi.restoreAllMocks())

test('loads, and answers what the emulator asks while it starts', async () => {
  const { disk } = rig()
  const onload = vi.fn()
  disk.onload = onload
  disk.load()
  expect(onload).toHaveBeenCalledTimes(1)
  expect(disk.byteLength).toBe(SIZE)
  expect(disk.get_from_cache(0, 512)).toBeUndefined()
  disk.set(510, Uint8Array.of(0x55, 0xaa), () => {})
  const sector = await new Promise<Uint8Array>((resolve) => disk.get_and_cache(0, 512, resolve))
  expect([...sector.subarray(510)]).toEqual([0x55, 0xaa])
  expect(disk.get_from_cache(0, 512)).toEqual(sector)
  disk.set(0, Uint8Array.of(7), () => {})
  expect(disk.get_from_cache(0, 512)?.[0]).toBe(7)
  expect(disk.get_from_cache(512, 512)).toBeUndefined()
  const buffer = vi.fn()
  disk.get_buffer(buffer)
  expect(buffer).toHaveBeenCalledWith()
})

test('a disk without its storage reads as zero while the machine is made, then as the storage', async () => {
  const disk = new V86Disk({ size: SIZE })
  const first = vi.fn()
  disk.get_and_cache(0, 512, first)
  expect(first).toHaveBeenCalledWith(new Uint8Array(512))
  const storage = new MemoryStorage(SIZE)
  storage.writeAtSync(Uint8Array.of(9), 4096)
  disk.set_state([1, 'far', 12])
  disk.attach(storage)
  expect((await reading(disk, 4096, 512))[0]).toBe(9)
  expect(disk.get_state()).toEqual([1, 'far', 12])
  expect(() => disk.attach(storage)).toThrow(expect.objectContaining({ code: 'BUSY' }))
  expect(() => new V86Disk({ size: SIZE }).attach(new MemoryStorage(512))).toThrow(
    expect.objectContaining({ code: 'SIZE_MISMATCH' }),
  )
})

test('a saved state says which disk it was, and one of other content is told', () => {
  const { disk, errors } = rig()
  const changed = vi.fn()
  disk.on('changed', changed)
  disk.set(0, new Uint8Array(512), () => {})
  disk.set(512, new Uint8Array(512), () => {})
  expect(changed.mock.calls).toEqual([[{ generation: 1 }]])
  expect(disk.get_state()).toEqual([1, 'one', 2])
  disk.markSaved()
  disk.set_state([1, 'one', 2])
  expect(errors).toEqual([])
  disk.set(0, new Uint8Array(512), () => {})
  expect(changed).toHaveBeenCalledTimes(2)
  for (const state of [[1, 'one', 2], [1, 'other', 3], [2, 'one', 3], [new ArrayBuffer(4)]]) disk.set_state(state)
  expect(errors.map(({ operation, error }) => [operation, (error as { code: string }).code])).toEqual(
    Array(4).fill(['restore', 'VERIFY_FAILED']),
  )
})

test('flushes a while after a write, once, and when the page goes', async () => {
  const { disk, flaky, clock } = rig()
  disk.set(0, new Uint8Array(512), () => {})
  disk.set(8192, new Uint8Array(512), () => {})
  await disk.settle()
  await clock.advance(FLUSH_MS - 1)
  expect(flaky.calls.flush).toBe(0)
  await clock.advance(2)
  await vi.waitFor(() => expect(flaky.calls.flush).toBe(1))
  await clock.advance(10 * FLUSH_MS)
  expect(flaky.calls.flush).toBe(1)
  await disk.close()
})

test('what goes wrong is told, can stop the guest, and is mended by trying again', async () => {
  const { disk, flaky, errors } = rig()
  const stop = vi.fn(async () => {})
  disk.stopOnError({ stop })
  flaky.plan = onCalls('write', { times: 1 })
  disk.set(0, new Uint8Array(512).fill(1), () => {})
  await expect(disk.settle()).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  expect(errors.map(({ operation }) => operation)).toEqual(['write'])
  expect(stop).toHaveBeenCalledTimes(1)
  disk.retry()
  await disk.settle()
  flaky.plan = onCalls('read', { times: 1 })
  const reply = vi.fn()
  disk.get(0, 512, reply)
  await disk.settle()
  expect(reply).not.toHaveBeenCalled()
  expect(errors.map(({ operation }) => operation)).toEqual(['write', 'read'])
  expect((await reading(disk, 0, 512))[0]).toBe(1)
})

test('a guest that writes all the time is flushed all the same', async () => {
  const clock = new VirtualClock()
  const flaky = new FlakyStorage(new MemoryStorage(SIZE))
  // Never done before the next write.
  const disk = new V86Disk(new SlowStorage(flaky, { clock, latencyMs: () => 300 }), { clock })
  for (let write = 0; write < 100; write++) {
    disk.set(write * 512, new Uint8Array(512), () => {})
    await clock.sleep(100)
    expect(disk.pendingBytes).toBeGreaterThan(0)
  }
  expect(flaky.calls.flush).toBeGreaterThanOrEqual(4)
  await disk.close()
})

test('what could not be stored is tried again without another write', async () => {
  const { disk, flaky, clock, errors } = rig()
  flaky.plan = onCalls('write', { times: 2 })
  disk.set(0, new Uint8Array(512).fill(1), () => {})
  await expect(disk.settle()).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  for (let turn = 0; turn < 3; turn++) {
    await clock.advance(FLUSH_MS)
    await disk.settle().catch(() => {}) // Looked at below.
  }
  expect(disk.pendingBytes).toBe(0)
  expect(errors.map(({ operation }) => operation)).toEqual(['write', 'write'])
  await disk.close()
})

test('a flush that fails is told, also while more is being written, and tried again', async () => {
  const { disk, flaky, clock, errors } = rig()
  flaky.plan = onCalls('flush', { times: 1 })
  disk.set(0, new Uint8Array(512), () => {})
  await disk.settle()
  const advanced = clock.advance(FLUSH_MS)
  disk.set(0, new Uint8Array(512), () => {})
  await advanced
  await vi.waitFor(() => expect(errors.map(({ operation }) => operation)).toEqual(['flush']))
  await clock.advance(FLUSH_MS)
  await vi.waitFor(() => expect(flaky.calls.flush).toBe(2))
  await disk.close()
})

test('nothing is under way any more when it has settled', async () => {
  const { disk } = rig()
  const events: string[] = []
  disk.set(0, new Uint8Array(512), () => {})
  disk.get(4096, 512, () => events.push('read'))
  disk.get(0, 512, () => events.push('read'))
  await disk.settle()
  expect(disk.pendingBytes).toBe(0)
  expect(events).toEqual(['read', 'read'])
})

test.each([0, 511, 1000, 2 ** 40])('a disk of %i bytes is refused', (size) => {
  expect(() => new V86Disk({ size })).toThrow(RangeError)
})
