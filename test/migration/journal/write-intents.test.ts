import { describe, expect, it } from 'vitest'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { type Journal, journalBytes, openJournal } from '../../../src/migration/journal/journal.ts'
import { commit, prepare, receive } from '../../../src/migration/journal/ownership.ts'
import { createWriteIntents } from '../../../src/migration/journal/write-intents.ts'
import { createDirtyTracker } from '../../../src/modules/dirty-tracker.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { PAGE_BLOCKS, SLICE_BLOCKS } from '../../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { FlakyStorage } from '../../support/flaky-storage.ts'
import { SlowStorage } from '../../support/slow-storage.ts'
import { settled, VirtualClock } from '../../support/virtual-clock.ts'

const hasher = await createBlockHasher()
const BLOCK = 512
const BLOCKS = 2 * PAGE_BLOCKS
const SIZE = BLOCKS * BLOCK
const BYTES = journalBytes(SIZE, BLOCK)
const content = (value: number, blocks = 1): Uint8Array => new Uint8Array(blocks * BLOCK).fill(value)

const open = (place: StorageProvider): Promise<Journal> =>
  openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId: 'this' })

/** A disk that is moved: every block was sent and is known, and the journal's place says so. */
async function moving(inside = new MemoryStorage(SIZE)): Promise<{
  memory: MemoryStorage
  place: FlakyStorage<MemoryStorage>
  disk: FlakyStorage<MemoryStorage>
  journal: Journal
  tracker: ReturnType<typeof createDirtyTracker>
  send: (start: number, count?: number) => Promise<void>
  /** Whether a journal opened now, as after a kill, knows a block. */
  wouldKnow: (block: number) => Promise<boolean>
}> {
  const memory = new MemoryStorage(BYTES)
  const place = new FlakyStorage(memory)
  const disk = new FlakyStorage(inside)
  const journal = await open(place)
  const tracker = createDirtyTracker(disk, BLOCK, createWriteIntents(journal))
  const send = async (start: number, count = 1) => {
    const bytes = new Uint8Array(count * BLOCK)
    await tracker.remote.readAt(bytes, start * BLOCK)
    journal.digests.note(start, bytes)
  }
  await disk.writeAt(content(1, BLOCKS), 0)
  await send(0, BLOCKS)
  await journal.checkpoint()
  const wouldKnow = async (block: number) => {
    const later = await open(memory)
    try {
      return later.digests.isKnown(block)
    } finally {
      later.free()
    }
  }
  return { memory, place, disk, journal, tracker, send, wouldKnow }
}

describe('write intents', () => {
  it('let the first write wait until the journal has forgotten what it replaces', async () => {
    const { place, disk, tracker, wouldKnow } = await moving()
    const order: string[] = []
    place.plan = ({ operation }) => void order.push(`journal ${operation}`)
    disk.plan = ({ operation }) => void order.push(`disk ${operation}`)
    expect(await wouldKnow(5)).toBe(true)
    await tracker.local.writeAt(content(2), 5 * BLOCK)
    expect(order.at(-1)).toBe('disk write')
    expect(order.indexOf('disk write')).toBeGreaterThan(order.lastIndexOf('journal write'))
    expect(await wouldKnow(5)).toBe(false)
  })

  it('cost a second write into the same slice nothing', async () => {
    const { place, tracker } = await moving()
    await tracker.local.writeAt(content(2), 5 * BLOCK)
    const { write, flush } = place.calls
    await tracker.local.writeAt(content(3), 9 * BLOCK)
    await tracker.local.writeAt(content(3), 5 * BLOCK)
    expect(place.calls).toMatchObject({ write, flush })
  })

  it('flush once, the first time, and never again', async () => {
    const { place, tracker } = await moving()
    const before = place.calls.flush
    for (const block of [0, SLICE_BLOCKS, 3 * SLICE_BLOCKS]) await tracker.local.writeAt(content(2), block * BLOCK)
    expect(place.calls.flush).toBe(before + 1)
  })

  it('write those that come together together', async () => {
    const { place, tracker, wouldKnow } = await moving()
    await tracker.local.writeAt(content(2), 0)
    const before = place.calls.write
    const blocks = [16, 17, 32, 33, 48, 256, 272]
    await Promise.all(blocks.map((block) => tracker.local.writeAt(content(2), block * BLOCK)))
    // One run of neighbouring slices in each of the two pages.
    expect(place.calls.write).toBe(before + 2)
    for (const block of blocks) expect(await wouldKnow(block)).toBe(false)
  })

  it('make a second write wait for the journal write that the first waits for', async () => {
    const place = new MemoryStorage(BYTES)
    const clock = new VirtualClock()
    const journal = await open(place)
    journal.digests.note(0, content(1, BLOCKS))
    await journal.checkpoint()
    journal.free()
    const slow = open(new SlowStorage(place, { clock }))
    await settled()
    await clock.advance(100)
    const again = await slow
    const intents = createWriteIntents(again)
    const ended: string[] = []
    void intents.beforeWrite(0, BLOCK)?.then(() => ended.push('first'))
    void intents.beforeWrite(0, BLOCK)?.then(() => ended.push('second'))
    await settled()
    expect(ended).toEqual([])
    await clock.advance(100)
    expect(ended).toEqual(['first', 'second'])
    expect(intents.beforeWrite(3 * BLOCK, BLOCK)).toBeUndefined()
  })

  it('fail the write when the journal cannot be written, and leave the disk as it was', async () => {
    const { place, disk, tracker, wouldKnow } = await moving()
    place.plan = ({ operation }) => (operation === 'write' ? {} : undefined)
    const before = disk.calls.write
    const code = (work: Promise<unknown>) => work.then(() => 'written', errorCode)
    expect(await code(tracker.local.writeAt(content(2), 5 * BLOCK))).toBe('WRITE_FAILED')
    expect(await code(tracker.local.writeAt(content(2), 5 * BLOCK))).toBe('WRITE_FAILED')
    expect(disk.calls.write).toBe(before)
    expect(tracker.remote.isDirty(5)).toBe(true)
    place.plan = undefined
    expect(await wouldKnow(5)).toBe(true)
    expect(await code(tracker.local.writeAt(content(2), 5 * BLOCK))).toBe('written')
    expect(await wouldKnow(5)).toBe(false)
  })

  it('forget in memory only the blocks of the write', async () => {
    const { journal, tracker } = await moving()
    await tracker.local.writeAt(content(2, 2), 5 * BLOCK + 1)
    expect([4, 5, 6, 7, 8].map((block) => journal.digests.isKnown(block))).toEqual([true, false, false, false, true])
    await tracker.local.zeroAt?.(20 * BLOCK, BLOCK)
    expect(journal.digests.isKnown(20)).toBe(false)
  })

  it('do not let what was read before a write be noted after it', async () => {
    const { journal, tracker, send } = await moving()
    const bytes = new Uint8Array(2 * BLOCK)
    await tracker.remote.readAt(bytes, 5 * BLOCK)
    await tracker.local.writeAt(content(2), 5 * BLOCK)
    journal.digests.note(5, bytes)
    expect([5, 6].map((block) => journal.digests.isKnown(block))).toEqual([false, true])
    await send(5)
    expect(journal.digests.digestAt(5)).toEqual(hasher.hash(content(2)))
  })

  it('do not let what was read during a write be noted', async () => {
    const { journal } = await moving()
    const intents = createWriteIntents(journal)
    await intents.beforeWrite(5 * BLOCK, BLOCK)
    await intents.beforeWrite(5 * BLOCK, BLOCK)
    intents.beforeRead(0, 10 * BLOCK)
    journal.digests.note(0, content(1, 10))
    expect(journal.digests.isKnown(5)).toBe(false)
    intents.afterWrite(5 * BLOCK, BLOCK)
    intents.beforeRead(5 * BLOCK, BLOCK)
    journal.digests.note(5, content(1))
    expect(journal.digests.isKnown(5)).toBe(false)
    intents.afterWrite(5 * BLOCK, BLOCK)
    intents.beforeRead(5 * BLOCK, BLOCK)
    journal.digests.note(5, content(1))
    expect(journal.digests.isKnown(5)).toBe(true)
  })

  it('do not let a look for holes, which goes further than what is sent, allow what was read before', async () => {
    const { journal, tracker, send } = await moving(new MemoryStorage(SIZE, { sparse: true }))
    const bytes = new Uint8Array(BLOCK)
    await tracker.remote.readAt(bytes, 5 * BLOCK)
    await tracker.local.zeroAt!(0, SIZE)
    expect(await tracker.remote.extents!(BLOCK, 10 * BLOCK + 7)).toEqual([{ offset: BLOCK, length: 10 * BLOCK + 7 }])
    journal.digests.note(5, bytes)
    expect(journal.digests.isKnown(5)).toBe(false)
    await send(0, 10)
    expect(await tracker.remote.extents!(0, SIZE)).toEqual([{ offset: 10 * BLOCK, length: SIZE - 10 * BLOCK }])
    journal.digests.noteZero(0, 10)
    expect(journal.digests.digestAt(5)).toEqual(new Uint8Array(16))
  })

  it('tell the place of a slice again only when all of it is known', async () => {
    const { journal, place, tracker, send, wouldKnow } = await moving()
    await tracker.local.writeAt(content(2), 5 * BLOCK)
    await tracker.local.writeAt(content(2), 7 * BLOCK)
    await send(5)
    await journal.checkpoint()
    expect(await wouldKnow(5)).toBe(false)
    expect(await wouldKnow(6)).toBe(false)
    await send(7)
    await journal.checkpoint()
    expect(await wouldKnow(5)).toBe(true)
    expect(await wouldKnow(7)).toBe(true)
    const before = place.calls.write
    await tracker.local.writeAt(content(3), 5 * BLOCK)
    expect(place.calls.write).toBe(before + 1)
    expect(await wouldKnow(5)).toBe(false)
  })

  it('keep the root: it is known again when what was written was sent again', async () => {
    const { journal, tracker, send } = await moving()
    await tracker.local.writeAt(content(2), 5 * BLOCK)
    expect(journal.digests.root()).toBeUndefined()
    await send(5)
    expect(journal.digests.root()).toBeDefined()
  })

  it('make everything void after a power loss', async () => {
    const { memory, tracker } = await moving()
    await tracker.local.writeAt(content(2), 5 * BLOCK)
    const later = await openJournal(memory, { size: SIZE, blockSize: BLOCK, hasher, bootId: 'next' })
    expect(later.digests.knownBlocks).toBe(0)
    expect(later.unproven.count()).toBe(BLOCKS - SLICE_BLOCKS)
  })

  it('take ranges that the storage will refuse, and the end of the disk', async () => {
    const { journal, tracker } = await moving()
    for (const [offset, length] of [
      [-1, 5],
      [SIZE, 5],
      [SIZE + 1, 5],
      [Number.NaN, 5],
      [0, 0],
    ] as const) {
      await tracker.local.writeAt(new Uint8Array(length), offset).catch(() => {})
    }
    expect(journal.digests.knownBlocks).toBe(BLOCKS)
    await tracker.local.writeAt(new Uint8Array(10), SIZE - 1)
    expect(journal.digests.knownBlocks).toBe(BLOCKS - 1)
  })

  it('are in doubt after a power loss, but not what a new owner has told that came by them before', async () => {
    const { memory, journal, tracker } = await moving()
    // The disk was here, was written and given away, and comes back.
    await tracker.local.writeAt(content(2), 0)
    const disk = { diskId: 'd'.repeat(32), size: SIZE, blockSize: BLOCK }
    const receiving = receive(undefined, disk, 1, { id: '1'.repeat(32), key: 'c'.repeat(32) })
    const afterPowerLoss = async () => {
      const bytes = new Uint8Array(BYTES)
      memory.readAtSync(bytes, 0)
      const place = new MemoryStorage(BYTES)
      place.writeAtSync(bytes, 0)
      const again = await openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId: 'next' })
      try {
        return again.digests.isKnown(1)
      } finally {
        again.free()
      }
    }
    await journal.become(receiving)
    expect(await afterPowerLoss()).toBe(false)
    const prepared = prepare(receiving, { missing: true })
    await journal.forget(0, BLOCKS)
    await journal.checkpoint({ flush: async () => {}, ownership: prepared })
    await journal.become(commit(prepared))
    journal.digests.note(1, content(3))
    await journal.checkpoint({ flush: async () => {} })
    expect(await afterPowerLoss()).toBe(true)
  })
})
