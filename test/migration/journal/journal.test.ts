import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/async/random.ts'
import { Bitfield } from '../../../src/bitfield/bitfield.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import {
  type Journal,
  type JournalOptions,
  journalBytes,
  openJournal,
  readOwnership,
} from '../../../src/migration/journal/journal.ts'
import { begin, ownDisk, receive } from '../../../src/migration/journal/ownership.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { PAGE_BLOCKS, SLICE_BLOCKS } from '../../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../../src/storage/block-hasher.ts'
import { pageLeaves } from '../../../src/storage/page-claims.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { FlakyStorage } from '../../support/flaky-storage.ts'

const hasher = await createBlockHasher()
const BLOCK = 512
const BLOCKS = 3 * PAGE_BLOCKS + 5
const SIZE = BLOCKS * BLOCK - 12
const BYTES = journalBytes(SIZE, BLOCK)

const disk = { diskId: 'd'.repeat(32), size: SIZE, blockSize: BLOCK }
const migration = { id: 'a'.repeat(32), key: 'b'.repeat(32) }
const content = (value: number, blocks = 1): Uint8Array => new Uint8Array(blocks * BLOCK).fill(value)

function open(place: StorageProvider, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId: 'this', ...options })
}

/** A journal of the same place after a kill: nothing was closed. */
async function reopened(place: StorageProvider, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return open(place, options)
}

function knownBlocks(journal: Journal): number[] {
  const numbers = new Uint32Array(BLOCKS)
  return [...numbers.subarray(0, journal.digests.known.collect(numbers))]
}

describe('a journal', () => {
  it('begins with nothing, and writes nothing until it is told something', async () => {
    const place = new FlakyStorage(new MemoryStorage(BYTES))
    const journal = await open(place)
    expect(journal.ownership).toBeUndefined()
    expect(journal.loaded.isNew).toBe(true)
    await journal.checkpoint()
    expect(await journal.forget(0, BLOCKS)).toBeUndefined()
    expect(place.calls.write + place.calls.flush).toBe(0)
  })

  it('knows whose disk it is after a kill, and shows it before it is opened', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    const ours = begin(ownDisk(disk), migration)
    await journal.become(ownDisk(disk))
    await journal.become(ours)
    expect((await reopened(place)).ownership).toEqual(ours)
    expect(await readOwnership(place, hasher)).toEqual(ours)
  })

  it('flushes before it says that the disk changed hands', async () => {
    const place = new FlakyStorage(new MemoryStorage(BYTES))
    const journal = await open(place)
    await journal.become(ownDisk(disk))
    expect(place.calls).toMatchObject({ write: 1, flush: 1 })
  })

  it('keeps digests that were written, whether they were flushed or not', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    journal.digests.note(3, content(1, 2))
    journal.digests.noteZero(100, 7)
    journal.digests.noteZero(PAGE_BLOCKS, 2 * PAGE_BLOCKS)
    journal.digests.note(BLOCKS - 1, content(9).subarray(12))
    await journal.checkpoint()
    journal.digests.note(50, content(7))
    const again = await reopened(place)
    journal.digests.forget(50, 1)
    expect(knownBlocks(again)).toEqual(knownBlocks(journal))
    for (let page = 0; page < 4; page++)
      expect(pageLeaves(again.digests, page)).toEqual(pageLeaves(journal.digests, page))
    expect(again.loaded).toEqual({ isNew: false, isSameBoot: true, damagedSlices: 0 })
  })

  it('keeps pages of zeroes as runs, and reads nothing for them', async () => {
    const place = new FlakyStorage(new MemoryStorage(BYTES))
    const journal = await open(place)
    journal.digests.noteZero(0, BLOCKS)
    await journal.checkpoint()
    expect(place.calls.write).toBe(1)
    place.calls.read = 0
    const again = await reopened(place)
    expect(again.digests.root()).toEqual(journal.digests.root())
    expect(place.calls.read).toBe(3)
  })

  it('forgets a page of zeroes on the place before anything else may lie there', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    journal.digests.noteZero(0, BLOCKS)
    await journal.checkpoint()
    await journal.forget(300, 1)
    const again = await reopened(place)
    expect(again.digests.knownBlocks).toBe(BLOCKS - 1)
    expect(again.digests.isKnown(300)).toBe(false)
  })

  it('does not bring back what lay in a page before it was all zero', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    journal.digests.note(0, content(1, PAGE_BLOCKS))
    await journal.checkpoint()
    await journal.forget(0, PAGE_BLOCKS)
    journal.digests.noteZero(0, PAGE_BLOCKS)
    await journal.checkpoint()
    await journal.forget(5, 1)
    const again = await reopened(place)
    expect(again.digests.digestAt(200)).toEqual(new Uint8Array(16))
    expect(again.digests.isKnown(5)).toBe(false)
  })

  it('forgets many blocks with one flush', async () => {
    const place = new FlakyStorage(new MemoryStorage(BYTES))
    const journal = await open(place)
    journal.digests.note(0, content(1, BLOCKS).subarray(12))
    await journal.checkpoint()
    const dirty = new Bitfield(BLOCKS)
    for (const block of [1, 70, 300, BLOCKS - 1]) dirty.set(block)
    const before = place.calls.flush
    await journal.forgetBlocks(dirty)
    expect(place.calls.flush).toBe(before + 1)
    const again = await reopened(place)
    expect([1, 70, 300, BLOCKS - 1, 2].map((block) => again.digests.isKnown(block))).toEqual([
      ...[false, false, false],
      ...[false, true],
    ])
    dirty.free()
  })

  it('writes only the slices that changed', async () => {
    const place = new FlakyStorage(new MemoryStorage(BYTES))
    const journal = await open(place)
    journal.digests.note(0, content(1, PAGE_BLOCKS))
    await journal.checkpoint()
    const lengths: number[] = []
    place.plan = ({ operation, length }) => void (operation === 'write' && lengths.push(length))
    journal.digests.note(SLICE_BLOCKS + 1, content(2))
    await journal.checkpoint()
    expect(lengths).toEqual([284])
  })

  it('forgets everything when a copy is discarded, and not whose disk it is', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    await journal.become(receive(undefined, disk, 4, migration))
    journal.digests.note(0, content(1, BLOCKS).subarray(12))
    await journal.checkpoint()
    await journal.clear()
    expect(journal.digests.knownBlocks).toBe(0)
    const again = await reopened(place)
    expect(again.digests.knownBlocks).toBe(0)
    expect(again.ownership).toEqual(journal.ownership)
    journal.digests.note(9, content(3))
    await journal.checkpoint()
    expect(knownBlocks(await reopened(place))).toEqual([9])
  })

  it('after a power loss knows what was flushed, and names the rest', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    await journal.become(receive(undefined, disk, 1, migration))
    journal.digests.note(0, content(1, 3))
    journal.digests.noteZero(PAGE_BLOCKS, PAGE_BLOCKS)
    await journal.checkpoint({ flush: async () => {} })
    journal.digests.note(3, content(1))
    journal.digests.noteZero(2 * PAGE_BLOCKS, PAGE_BLOCKS)
    await journal.checkpoint()
    const again = await open(place, { bootId: 'next' })
    expect(again.loaded.isSameBoot).toBe(false)
    expect(again.digests.knownBlocks).toBe(3 + PAGE_BLOCKS)
    expect(again.unproven.count()).toBe(1 + PAGE_BLOCKS)
    expect(again.unproven.test(3)).toBe(true)
    // What was in doubt does not come back as certain in the new boot.
    const third = await open(place, { bootId: 'next' })
    expect(third.digests.knownBlocks).toBe(3 + PAGE_BLOCKS)
    expect(third.loaded.isSameBoot).toBe(true)
  })

  it('without a name of the boot takes every end for a power loss', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place, { bootId: '' })
    journal.digests.note(0, content(1))
    await journal.checkpoint({ flush: async () => {} })
    journal.digests.note(1, content(1))
    await journal.checkpoint()
    expect(knownBlocks(await open(place, { bootId: '' }))).toEqual([0])
  })

  it('knows nothing after a power loss where flushes may be lost', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    journal.digests.note(0, content(1))
    await journal.checkpoint({ flush: async () => {} })
    const again = await open(place, { bootId: 'next', flushesMayBeLost: true })
    expect(knownBlocks(again)).toEqual([])
    expect(again.unproven.test(0)).toBe(true)
  })

  it('takes a block noted while the disk was flushed for unflushed', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    journal.digests.note(0, content(1))
    await journal.checkpoint({ flush: async () => journal.digests.note(1, content(2)) })
    expect(knownBlocks(await open(place, { bootId: 'next' }))).toEqual([0])
  })

  it('takes blocks that a flush under way covers for unflushed until it ended', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    journal.digests.note(0, content(1))
    journal.digests.noteZero(PAGE_BLOCKS, PAGE_BLOCKS)
    const flush = async () => {
      await journal.checkpoint()
      throw new Error('power')
    }
    await expect(journal.checkpoint({ flush })).rejects.toThrow('power')
    expect(knownBlocks(await open(place, { bootId: 'next' }))).toEqual([])
  })

  it('after a power loss knows what a flush covered, also when it was stored while the flush was under way', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    journal.digests.note(0, content(1))
    const flush = async () => {
      journal.digests.note(1, content(2))
      await journal.checkpoint()
    }
    await journal.checkpoint({ flush })
    expect(knownBlocks(await open(place, { bootId: 'next' }))).toEqual([0])
  })

  it('after a power loss knows of zeroes what a flush covered, and no more', async () => {
    const pages = 21
    const size = (pages * PAGE_BLOCKS - 9) * BLOCK
    const blockCount = size / BLOCK
    for (let seed = 1; seed <= 30; seed++) {
      const random = seededRandom(seed)
      const place = new MemoryStorage(journalBytes(size, BLOCK))
      const journal = await open(place, { size })
      const { digests } = journal
      /** 1 known, 2 known and flushed. */
      const model = new Uint8Array(blockCount)
      const start = () => Math.floor(random() * pages) * PAGE_BLOCKS + (random() < 0.7 ? 0 : Math.floor(random() * 99))
      for (let step = 0; step < 14; step++) {
        const [from, to] = [start(), random() < 0.2 ? blockCount : start()].sort((a, b) => a - b) as [number, number]
        const choice = random()
        if (choice < 0.5 && to > from) {
          digests.noteZero(from, to - from)
          model.fill(1, from, to)
        } else if (choice < 0.6) {
          const block = Math.floor(random() * (blockCount - 1))
          digests.note(block, content(7))
          model[block] = 1
        } else if (choice < 0.7 && to > from) {
          await journal.forget(from, to - from)
          model.fill(0, from, to)
        } else if (choice < 0.8) await journal.checkpoint()
        else {
          const covered = model.map((state) => Math.min(state * 2, 2))
          // Noted while the disk is flushed: not covered.
          const late = Math.floor(random() * (blockCount - 1))
          const flush = async () => {
            digests.noteZero(late, 1)
            if (random() < 0.3) await journal.checkpoint()
          }
          await journal.checkpoint({ flush })
          covered[late] = 1
          model.set(covered)
        }
      }
      await journal.checkpoint()
      const [here, next] = [await open(place, { size }), await open(place, { size, bootId: 'next' })]
      const wrong: number[] = []
      for (let block = 0; block < blockCount; block++) {
        const page = Math.floor(block / PAGE_BLOCKS)
        const first = page * PAGE_BLOCKS
        const isFlushed = model[block] === 2
        const isPageFlushed = model.subarray(first, first + PAGE_BLOCKS).every((state) => state === 2)
        if (here.digests.isKnown(block) !== model[block]! > 0) wrong.push(block)
        const isKnown = next.digests.isKnown(block)
        // Of a page that is all zero it is told for the whole page whether it was flushed.
        if (isKnown ? !isFlushed : isPageFlushed || (isFlushed && !digests.isKnownZero(page))) wrong.push(block)
      }
      expect(wrong, `seed ${seed}`).toEqual([])
      for (const each of [journal, here, next]) each.free()
    }
  })

  it('does not count blocks as flushed when the flush failed', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    journal.digests.note(0, content(1))
    const flush = async () => Promise.reject(new Error('no'))
    await expect(journal.checkpoint({ flush })).rejects.toThrow('no')
    await journal.checkpoint()
    expect(knownBlocks(await reopened(place))).toEqual([0])
    expect(knownBlocks(await open(place, { bootId: 'next' }))).toEqual([])
  })

  it('refuses the journal of another disk, and a place that is too small', async () => {
    const place = new MemoryStorage(BYTES)
    await (await open(place)).become(ownDisk(disk))
    const code = (work: Promise<unknown>) => work.then(() => 'none', errorCode)
    expect(await code(open(place, { size: SIZE - 1 }))).toBe('SIZE_MISMATCH')
    expect(await code(open(place, { blockSize: 1024 }))).toBe('SIZE_MISMATCH')
    expect(await code(open(new MemoryStorage(BYTES - 1)))).toBe('SIZE_MISMATCH')
    await expect(open(place, { bootId: 'x'.repeat(65) })).rejects.toThrow(RangeError)
  })

  it('loses knowledge with a damaged slice, and nothing else', async () => {
    const place = new MemoryStorage(BYTES)
    const journal = await open(place)
    await journal.become(ownDisk(disk))
    journal.digests.note(0, content(1, PAGE_BLOCKS))
    await journal.checkpoint()
    const byte = new Uint8Array(1)
    const first = BYTES - 4 * 3 * 16 * 284
    for (let at = first; at < first + 284; at += 1) {
      await place.readAt(byte, at)
      byte[0]! ^= 1 << (at % 8)
      await place.writeAt(byte, at)
      const again = await reopened(place)
      expect(again.loaded.damagedSlices).toBe(1)
      expect(knownBlocks(again)[0]).toBe(SLICE_BLOCKS)
      expect(again.ownership).toEqual(journal.ownership)
      again.free()
      byte[0]! ^= 1 << (at % 8)
      await place.writeAt(byte, at)
    }
  })
})

describe('what a journal costs', () => {
  const size = 2 ** 40
  const blockSize = 65536
  const options = { size, blockSize, hasher, bootId: 'this' }

  it('is a few reads for a terabyte of which little is not zero', async () => {
    const place = new FlakyStorage(new MemoryStorage(journalBytes(size, blockSize), { sparse: true }))
    const journal = await openJournal(place, options)
    journal.digests.noteZero(0, journal.digests.blockCount)
    const digest = new Uint8Array(16).fill(1)
    for (let index = 0; index < 1000; index++)
      journal.digests.noteDigests(index < 500 ? index : 2 ** 23 + index, digest)
    await journal.checkpoint()
    const { write } = place.calls
    expect(write).toBeLessThan(12)
    let bytes = 0
    place.plan = ({ operation, length }) => {
      if (operation === 'read') bytes += length
      return undefined
    }
    const again = await openJournal(place, options)
    expect(again.digests.root()).toEqual(journal.digests.root())
    expect(bytes).toBeLessThan(2 ** 17)
    for (const each of [journal, again]) each.free()
  })

  it.each([
    ['one after the other', (run: number) => run],
    ['in random order', (run: number) => (run * 7919) % 2 ** 16],
  ])('is at most a thousandth of the bytes that arrive in runs of 1 MiB %s', async (_, order) => {
    const place = new FlakyStorage(new MemoryStorage(journalBytes(2 ** 36, blockSize), { sparse: true }))
    let written = 0
    place.plan = ({ operation, length }) => {
      if (operation === 'write') written += length
      return undefined
    }
    const journal = await openJournal(place, { ...options, size: 2 ** 36 })
    const digest = new Uint8Array(16).fill(1)
    for (let run = 0; run < 4096; run++) {
      for (let block = 0; block < 16; block++) journal.digests.noteDigests(order(run) * 16 + block, digest)
      if (run % 4 === 3) await journal.checkpoint(run % 64 === 63 ? { flush: async () => {} } : {})
    }
    expect(written / (4096 * 2 ** 20)).toBeLessThan(0.001)
    journal.free()
  })
})
