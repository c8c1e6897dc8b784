import { describe, expect, it } from 'vitest'
import { type AccessHooks, createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { trackingProviderConformance } from '../conformance/tracking-provider.ts'
import { FlakyStorage } from '../support/flaky-storage.ts'
import { settled } from '../support/virtual-clock.ts'

const BLOCK = 4096

/** A tracked disk whose accesses, and what the hooks hear of them, go into one list. */
function heard(beforeWrite: () => Promise<void> | undefined = () => undefined) {
  const order: string[] = []
  const disk = new FlakyStorage(new MemoryStorage(8 * BLOCK, { sparse: true }), ({ operation, offset }) => {
    order.push(`${operation} ${offset / BLOCK}`)
    return undefined
  })
  const hooks: AccessHooks = {
    beforeWrite(offset, length) {
      order.push(`before ${offset / BLOCK} ${length / BLOCK}`)
      return beforeWrite()
    },
    afterWrite: (offset) => void order.push(`after ${offset / BLOCK}${remote.isDirty(offset / BLOCK) ? ' dirty' : ''}`),
    mustRead: (_offset, length) => (length > BLOCK ? [{ offset: BLOCK, length: BLOCK }] : []),
    beforeRead: (offset, length) => void order.push(`reading ${offset / BLOCK} ${length / BLOCK}`),
  }
  const { local, remote } = createDirtyTracker(disk, BLOCK, hooks)
  return { order, disk, local, remote }
}

describe('a tracker with hooks keeps the contract:', () => {
  const hooks: AccessHooks = { beforeWrite: async () => {} }
  const cases = trackingProviderConformance({
    create: async (size, blockSize) => createDirtyTracker(new MemoryStorage(size), blockSize, hooks),
  })
  for (const { name, run } of cases) it(name, run)
})

describe('the hooks of a tracker', () => {
  it('hear of a write before the storage does, and after it became dirty', async () => {
    const { order, local, remote } = heard()
    await remote.readAt(new Uint8Array(BLOCK), BLOCK)
    await local.writeAt(new Uint8Array(BLOCK), BLOCK)
    await local.zeroAt!(2 * BLOCK, BLOCK)
    expect(order).toEqual([
      ...['reading 1 1', 'read 1'],
      ...['before 1 1', 'write 1', 'after 1 dirty'],
      ...['before 2 1', 'zero 2', 'after 2'],
    ])
  })

  it('hold the write until they are ready', async () => {
    let ready = () => {}
    const { order, local } = heard(() => new Promise((resolve) => (ready = resolve)))
    const write = local.writeAt(new Uint8Array(BLOCK), 0)
    await settled()
    expect(order).toEqual(['before 0 1'])
    ready()
    await write
    expect(order).toEqual(['before 0 1', 'write 0', 'after 0'])
  })

  it('see to it that a block read meanwhile does not stay clean', async () => {
    let ready = () => {}
    const { local, remote } = heard(() => new Promise((resolve) => (ready = resolve)))
    const write = local.writeAt(new Uint8Array(BLOCK).fill(1), 0)
    await remote.readAt(new Uint8Array(BLOCK), 0)
    ready()
    await write
    expect(remote.isDirty(0)).toBe(true)
  })

  it('are waited for by the barrier, and a write held back by the gate asks them when it goes on', async () => {
    let ready = () => {}
    const { order, local } = heard(() => new Promise((resolve) => (ready = resolve)))
    const first = local.writeAt(new Uint8Array(BLOCK), 0)
    let isLocked = false
    const lock = local.lock().then(() => {
      isLocked = true
    })
    await settled()
    expect(isLocked).toBe(false)
    ready()
    await Promise.all([first, lock])
    const second = local.writeAt(new Uint8Array(BLOCK), BLOCK)
    await settled()
    expect(order).not.toContain('before 1 1')
    local.unlock()
    await settled()
    ready()
    await second
    expect(order.slice(-3)).toEqual(['before 1 1', 'write 1', 'after 1'])
  })

  it('fail the write when they fail: nothing is stored, and it counts as dirty', async () => {
    const { order, disk, local, remote } = heard(() => Promise.reject(new Error('journal')))
    await remote.readAt(new Uint8Array(BLOCK), 0)
    await expect(local.writeAt(new Uint8Array(BLOCK), 0)).rejects.toThrow('journal')
    expect(disk.calls.write).toBe(0)
    expect(order.at(-1)).toBe('after 0 dirty')
  })

  it('hear the end of a write that fails', async () => {
    const { order, disk, local } = heard()
    disk.plan = ({ operation }) => (operation === 'write' ? {} : undefined)
    await expect(local.writeAt(new Uint8Array(BLOCK), 0)).rejects.toThrow()
    expect(order).toEqual(['before 0 1', 'after 0'])
  })

  it('hear of synchronous reads, and say what is no hole', async () => {
    const { order, disk, remote } = heard()
    remote.readAtSync!(new Uint8Array(BLOCK), 5 * BLOCK)
    expect(await remote.extents!(0, 3 * BLOCK)).toEqual([{ offset: BLOCK, length: BLOCK }])
    expect(order).toEqual(['reading 5 1', 'read 5', 'extents 0'])
    await disk.writeAt(new Uint8Array(BLOCK).fill(1), 0)
    expect(await remote.extents!(0, 8 * BLOCK)).toEqual([{ offset: 0, length: 8 * BLOCK }])
    expect(await remote.extents!(0, BLOCK)).toEqual([{ offset: 0, length: BLOCK }])
  })

  it('leave no synchronous write, which could not wait; without hooks it is there', () => {
    const { local, remote } = heard()
    expect(local.writeAtSync).toBeUndefined()
    expect(remote.writeAtSync).toBeDefined()
    expect(createDirtyTracker(new MemoryStorage(BLOCK), BLOCK).local.writeAtSync).toBeDefined()
  })
})
