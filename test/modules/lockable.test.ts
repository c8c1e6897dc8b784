import { afterEach, describe, expect, it } from 'vitest'
import { Lockable } from '../../src/modules/lockable.ts'
import { SOURCE_CAPABILITIES } from '../../src/sources/capabilities.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'
import { storageProviderConformance } from '../conformance/storage-provider.ts'
import { FlakyStorage } from '../support/flaky-storage.ts'
import { SlowStorage } from '../support/slow-storage.ts'
import { settled, VirtualClock } from '../support/virtual-clock.ts'

const open: StorageProvider[] = []
afterEach(async () => {
  for (const disk of open.splice(0)) await disk.close()
})

function memory(size = 100): MemoryStorage {
  const disk = new MemoryStorage(size)
  open.push(disk)
  return disk
}

/** A gate before a disk whose writes take 10 ms. */
function slowGate() {
  const clock = new VirtualClock({ automatic: false })
  const disk = memory()
  return { clock, disk, gate: new Lockable(new SlowStorage(disk, { clock, latencyMs: () => 10 })) }
}

const byte = (value: number) => Uint8Array.of(value)

/** Says what has become of a promise so far. */
function watch(promise: Promise<unknown>): { state: string } {
  const watched = { state: 'pending' }
  promise.then(
    () => {
      watched.state = 'done'
    },
    (error) => {
      watched.state = error.code ?? error.message
    },
  )
  return watched
}

describe('an open Lockable keeps the storage contract:', () => {
  const cases = storageProviderConformance({
    capabilities: SOURCE_CAPABILITIES.memory,
    create: async (size) => new Lockable(new MemoryStorage(size)),
  })
  for (const { name, run } of cases) it(name, run)
})

describe('Lockable', () => {
  it('locks at once when nothing is in flight', async () => {
    const gate = new Lockable(memory())
    const locking = gate.lock()
    expect(gate.state).toBe('locked')
    await locking
  })

  it('is a barrier: lock waits for every write in flight', async () => {
    const { clock, gate } = slowGate()
    const first = gate.writeAt(byte(1), 0)
    await clock.advance(5)
    const second = gate.writeAt(byte(2), 1)
    const locking = watch(gate.lock())
    expect(gate.state).toBe('draining')
    await clock.advance(5)
    await first
    expect(locking.state).toBe('pending')
    await clock.advance(5)
    await second
    await settled()
    expect(locking.state).toBe('done')
    expect(gate.state).toBe('locked')
  })

  it('waits for a write issued in the same turn as the lock', async () => {
    const { clock, gate, disk } = slowGate()
    const write = watch(gate.writeAt(byte(1), 0))
    const locking = gate.lock()
    await clock.advance(10)
    await locking
    expect(write.state).toBe('done')
    expect(disk.readAtSync(new Uint8Array(1), 0)).toBe(1)
  })

  it('waits for a discard in flight, and for a write that fails', async () => {
    const clock = new VirtualClock({ automatic: false })
    const slow = new SlowStorage(
      new FlakyStorage(memory(), ({ operation }) => (operation === 'write' ? {} : undefined)),
      {
        clock,
        latencyMs: () => 10,
      },
    )
    const gate = new Lockable(slow)
    const zeroing = gate.zeroAt!(0, 10)
    const failing = watch(gate.writeAt(byte(1), 0))
    const locking = watch(gate.lock())
    await settled()
    expect(locking.state).toBe('pending')
    await clock.advance(10)
    await zeroing
    expect(failing.state).toBe('WRITE_FAILED')
    expect(locking.state).toBe('done')
  })

  it('holds new writes back from the moment lock is called', async () => {
    const { clock, gate, disk } = slowGate()
    void gate.writeAt(byte(1), 0)
    void gate.lock()
    const late = watch(gate.writeAt(byte(2), 0))
    const discard = watch(gate.zeroAt!(0, 1))
    await clock.advance(100)
    expect([gate.state, late.state, discard.state]).toEqual(['locked', 'pending', 'pending'])
    expect(read(disk)).toBe(1)
  })

  it('lets reads and flushes pass while locked', async () => {
    const gate = new Lockable(memory())
    await gate.writeAt(byte(7), 3)
    await gate.lock()
    const target = new Uint8Array(1)
    await gate.readAt(target, 3)
    expect(target[0]).toBe(7)
    expect(gate.readAtSync!(target, 3)).toBe(1)
    await gate.flush()
  })

  it('starts held writes in the order they came, before any newer one', async () => {
    const order: string[] = []
    const gate = new Lockable(new RecordingDisk(memory(), order))
    await gate.lock()
    const held = [gate.writeAt(byte(1), 0), gate.writeAt(byte(2), 0), gate.zeroAt!(0, 1), gate.writeAt(byte(3), 0)]
    gate.unlock()
    held.push(gate.writeAt(byte(4), 0))
    await Promise.all(held)
    expect(order).toEqual(['write 1', 'write 2', 'zero', 'write 3', 'write 4'])
  })

  it('starts held writes before unlock returns', async () => {
    const disk = memory()
    const gate = new Lockable(disk)
    await gate.lock()
    void gate.writeAt(byte(1), 0)
    gate.unlock()
    expect(read(disk)).toBe(1)
  })

  it('counts released writes as in flight: locking again waits for them', async () => {
    const { clock, gate } = slowGate()
    await gate.lock()
    const held = watch(gate.writeAt(byte(1), 0))
    gate.unlock()
    const locking = watch(gate.lock())
    await settled()
    expect([held.state, locking.state]).toEqual(['pending', 'pending'])
    await clock.advance(10)
    expect([held.state, locking.state]).toEqual(['done', 'done'])
  })

  it('rejects a lock with ABORTED when unlock comes before it has drained, and works again', async () => {
    const { clock, gate } = slowGate()
    void gate.writeAt(byte(1), 0)
    const locking = gate.lock()
    const late = watch(gate.writeAt(byte(2), 0))
    gate.unlock()
    await expect(locking).rejects.toMatchObject({ code: 'ABORTED', name: 'AbortError' })
    expect(gate.state).toBe('open')
    await clock.advance(10)
    expect(late.state).toBe('done')
    await gate.lock()
    expect(gate.state).toBe('locked')
  })

  it('serves two who lock at once, while draining and after', async () => {
    const { clock, gate } = slowGate()
    void gate.writeAt(byte(1), 0)
    const both = [watch(gate.lock()), watch(gate.lock())]
    await clock.advance(10)
    await gate.lock()
    expect(both.map(({ state }) => state)).toEqual(['done', 'done'])
    gate.unlock()
    expect(gate.state).toBe('open')
  })

  it('takes an unlock of an open gate for nothing', () => {
    const gate = new Lockable(memory())
    gate.unlock()
    expect(gate.state).toBe('open')
  })

  it('drops a held write whose signal fires, and only that one', async () => {
    const disk = memory()
    const gate = new Lockable(disk)
    const controller = new AbortController()
    await gate.lock()
    const given = gate.writeAt(byte(1), 0, { signal: controller.signal })
    const other = gate.writeAt(byte(2), 1)
    controller.abort(new Error('changed my mind'))
    await expect(given).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'changed my mind' } })
    gate.unlock()
    await other
    expect(read(disk)).toBe(0)
  })

  it('refuses to hold a write whose signal has fired already', async () => {
    const gate = new Lockable(memory())
    await gate.lock()
    await expect(gate.writeAt(byte(1), 0, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('throws LOCKED for a synchronous write while the gate is closed or closing', async () => {
    const { gate: draining } = slowGate()
    expect(draining.writeAtSync).toBeUndefined()
    const disk = memory()
    const gate = new Lockable(disk)
    await gate.lock()
    expect(() => gate.writeAtSync!(byte(1), 0)).toThrow(expect.objectContaining({ code: 'LOCKED' }))
    expect(read(disk)).toBe(0)
    gate.unlock()
    expect(gate.writeAtSync!(byte(1), 0)).toBe(1)
  })

  it('throws LOCKED for a synchronous write while an asynchronous one drains', async () => {
    const gate = new Lockable(memory())
    // With a signal a write takes the asynchronous way and is still under way at the end of the turn.
    const write = gate.writeAt(byte(1), 0, { signal: new AbortController().signal })
    const locking = gate.lock()
    expect(gate.state).toBe('draining')
    expect(() => gate.writeAtSync!(byte(2), 0)).toThrow(expect.objectContaining({ code: 'LOCKED' }))
    await Promise.all([write, locking])
  })

  it('lets held writes end with CLOSED when the disk is closed', async () => {
    const gate = new Lockable(new MemoryStorage(100))
    await gate.lock()
    const held = [gate.writeAt(byte(1), 0), gate.zeroAt!(0, 1)]
    await gate.close()
    for (const write of held) await expect(write).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(gate.writeAt(byte(1), 0)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('lets held writes end even when closing fails', async () => {
    const gate = new Lockable(new Unclosable(memory()))
    await gate.lock()
    const held = watch(gate.writeAt(byte(1), 0))
    expect(() => gate.close()).toThrow('no')
    await settled()
    expect(held.state).toBe('done')
  })

  it('stays closed for the rest when a released write locks again', async () => {
    const disk = memory()
    const locking = new Relocking(disk)
    const gate = new Lockable(locking)
    locking.onWrite = () => void gate.lock()
    await gate.lock()
    const held = [watch(gate.writeAt(byte(1), 0)), watch(gate.writeAt(byte(2), 1))]
    gate.unlock()
    await settled()
    expect(held.map(({ state }) => state)).toEqual(['done', 'pending'])
    gate.unlock()
    await settled()
    expect(held.map(({ state }) => state)).toEqual(['done', 'done'])
  })
})

function read(disk: MemoryStorage): number {
  const target = new Uint8Array(1)
  disk.readAtSync(target, 0)
  return target[0]!
}

class RecordingDisk extends StorageWrapper {
  readonly #order: string[]
  zeroAt = async (_offset: number, length: number) => {
    this.#order.push('zero')
    return length
  }
  constructor(inner: StorageProvider, order: string[]) {
    super(inner)
    this.#order = order
  }
  override async writeAt(data: Uint8Array): Promise<number> {
    this.#order.push(`write ${data[0]}`)
    return data.length
  }
}

class Relocking extends StorageWrapper {
  onWrite: (() => void) | undefined
  override writeAt(data: Uint8Array, offset: number): Promise<number> {
    const { onWrite } = this
    this.onWrite = undefined
    onWrite?.()
    return super.writeAt(data, offset)
  }
}

class Unclosable extends StorageWrapper {
  override close(): Promise<void> {
    throw new Error('no')
  }
}
