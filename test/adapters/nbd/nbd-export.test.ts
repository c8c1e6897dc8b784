import { describe, expect, it } from 'vitest'
import { NbdExport } from '../../../src/adapters/nbd/nbd-export.ts'
import { StorageError } from '../../../src/errors/storage-error.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { FlakyStorage } from '../../support/flaky-storage.ts'
import { SlowStorage } from '../../support/slow-storage.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const clock = new VirtualClock()
const SIZE = 65536
const slow = (inner: StorageProvider = new MemoryStorage(SIZE), latencyMs = 10) =>
  new SlowStorage(inner, { clock, latencyMs: () => latencyMs })
const exporting = (provider: StorageProvider) => new NbdExport('disk', { provider }, clock)
const VOLATILE = { durable: false }

async function byteAt(disk: { readAt: StorageProvider['readAt'] }, offset = 0): Promise<number> {
  const byte = new Uint8Array(1)
  await disk.readAt(byte, offset)
  return byte[0]!
}

describe('an export that turns read-only', () => {
  it('is read-only at once, and says when the last write is through', async () => {
    const disk = new MemoryStorage(SIZE)
    const it = exporting(slow(disk))
    const order: string[] = []
    const writing = it.write(Uint8Array.of(1), 0, VOLATILE).then(() => order.push('written'))
    const turned = it.setReadOnly(true).then(() => order.push('turned'))
    expect(it.readOnly).toBe(true)
    await expect(it.write(Uint8Array.of(2), 0, VOLATILE)).rejects.toMatchObject({ errno: 1 })
    await expect(it.zero(0, 1, { ...VOLATILE, allocated: false, fast: false })).rejects.toMatchObject({ errno: 1 })
    await expect(it.trim(0, 1, VOLATILE)).rejects.toMatchObject({ errno: 1 })
    await Promise.all([writing, turned])
    expect(order).toEqual(['written', 'turned'])
    expect(await byteAt(disk)).toBe(1)
  })

  it('waits for the flush of a durable write', async () => {
    const inner = new FlakyStorage(new MemoryStorage(SIZE))
    const it = exporting(slow(inner))
    void it.write(Uint8Array.of(1), 0, { durable: true })
    await it.setReadOnly(true)
    expect(inner.calls.flush).toBe(1)
  })

  it('does not wait for reads', async () => {
    let release = () => {}
    const disk = new MemoryStorage(SIZE)
    const held: StorageProvider = Object.assign(Object.create(disk) as StorageProvider, {
      size: SIZE,
      readAt: () => new Promise<number>((resolve) => (release = () => resolve(1))),
    })
    const it = exporting(held)
    const reading = it.read(new Uint8Array(1), 0)
    await it.setReadOnly(true)
    release()
    await reading
  })

  it('can be written again', async () => {
    const it = exporting(new MemoryStorage(SIZE))
    await it.setReadOnly(true)
    await it.setReadOnly(false)
    await it.write(Uint8Array.of(3), 0, VOLATILE)
  })
})

describe('an export whose provider is replaced', () => {
  it('lets requests under way end, flushes, and serves the ones behind from the new one', async () => {
    const before = new MemoryStorage(SIZE)
    const after = new MemoryStorage(SIZE)
    const watched = new FlakyStorage(before)
    const it = exporting(slow(watched))
    const first = it.write(Uint8Array.of(1), 0, VOLATILE)
    const replaced = it.replace(after)
    const second = it.write(Uint8Array.of(2), 1, VOLATILE)
    const target = new Uint8Array(2)
    await Promise.all([first, replaced, second])
    await it.read(target, 0)
    expect([...target]).toEqual([0, 2])
    expect([await byteAt(before), await byteAt(before, 1)]).toEqual([1, 0])
    expect(watched.calls.flush).toBe(1)
  })

  it('keeps the old one when its flush fails', async () => {
    const error = new StorageError('FLUSH_FAILED')
    const before = new FlakyStorage(new MemoryStorage(SIZE), ({ operation }) =>
      operation === 'flush' ? { error } : undefined,
    )
    const it = exporting(before)
    await expect(it.replace(new MemoryStorage(SIZE))).rejects.toBe(error)
    await it.write(Uint8Array.of(5), 0, VOLATILE)
    expect(await byteAt(before)).toBe(5)
  })

  it('refuses another size', async () => {
    const it = exporting(new MemoryStorage(SIZE))
    await expect(it.replace(new MemoryStorage(SIZE * 2))).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
  })

  it('can be told to stop waiting for a request that does not end', async () => {
    const disk = new MemoryStorage(SIZE)
    const never: StorageProvider = Object.assign(Object.create(disk) as StorageProvider, {
      size: SIZE,
      readAt: () => new Promise<number>(() => {}),
      writeAt: (data: Uint8Array, offset: number) => disk.writeAt(data, offset),
    })
    const it = exporting(never)
    void it.read(new Uint8Array(1), 0)
    const stop = new AbortController()
    const replaced = it.replace(new MemoryStorage(SIZE), stop.signal)
    const write = it.write(Uint8Array.of(9), 0, VOLATILE)
    stop.abort()
    await expect(replaced).rejects.toMatchObject({ code: 'ABORTED' })
    await write
    expect(await byteAt(disk)).toBe(9)
    await expect(it.replace(new MemoryStorage(SIZE), stop.signal)).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('twice at once ends with the second', async () => {
    const [a, b, c] = [1, 2, 3].map((value) => {
      const disk = new MemoryStorage(SIZE)
      disk.writeAtSync(Uint8Array.of(value), 0)
      return disk
    })
    const it = exporting(slow(a))
    const reading = it.read(new Uint8Array(1), 0)
    await Promise.all([reading, it.replace(b!), it.replace(c!)])
    const target = new Uint8Array(1)
    await it.read(target, 0)
    expect(target[0]).toBe(3)
  })

  it('counts a write held at the gate as one that is refused once it turned read-only', async () => {
    const it = exporting(slow())
    void it.read(new Uint8Array(1), 0)
    const replaced = it.replace(new MemoryStorage(SIZE))
    const write = expect(it.write(Uint8Array.of(1), 0, VOLATILE)).rejects.toMatchObject({ errno: 1 })
    await it.setReadOnly(true)
    await Promise.all([replaced, write])
  })
})

describe('flushes of an export', () => {
  it('fail for all who shared one, and the next one is tried anew', async () => {
    let failing = true
    const inner = new FlakyStorage(new MemoryStorage(SIZE), ({ operation }) =>
      operation === 'flush' && failing ? {} : undefined,
    )
    const it = exporting(slow(inner))
    const results = await Promise.allSettled([it.flush(), it.flush(), it.flush()])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(inner.calls.flush).toBe(2)
    failing = false
    await it.flush()
    expect(inner.calls.flush).toBe(3)
  })

  it('that throw before they begin are failures like others', async () => {
    const inner = new FlakyStorage(new MemoryStorage(SIZE), ({ operation, number }) =>
      operation === 'flush' && number < 3 ? { how: 'throw' } : undefined,
    )
    const it = exporting(inner)
    await expect(it.flush()).rejects.toThrow()
    await expect(it.flush()).rejects.toThrow()
    await it.flush()
  })
})
