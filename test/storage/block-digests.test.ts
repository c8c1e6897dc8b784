import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { BlockDigests, PAGE_BLOCKS, SLICE_BLOCKS } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { HashTree } from '../../src/storage/hash-tree.ts'
import { pageClaims, pageLeaves, restorePage } from '../../src/storage/page-claims.ts'

const hasher = await createBlockHasher()
const BLOCK = 512
/** Two whole pages and one of three blocks, the last of them short. */
const BLOCKS = 2 * PAGE_BLOCKS + 3
const SIZE = BLOCKS * BLOCK - 100

const made = (): BlockDigests => new BlockDigests(SIZE, BLOCK, hasher)
const filled = (value: number, length = BLOCK): Uint8Array => new Uint8Array(length).fill(value)
const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex')

/** Slices that changed, as numbers. */
function changed(digests: BlockDigests): number[] {
  const slices = digests.takeChangedSlices()
  const numbers = new Uint32Array(slices.length)
  const count = slices.collect(numbers)
  slices.free()
  return [...numbers.subarray(0, count)]
}

describe('digests of blocks', () => {
  it('begin unknown, and know what was noted', () => {
    const digests = made()
    expect(digests.digestAt(0)).toBeUndefined()
    digests.note(0, filled(7, 2 * BLOCK))
    digests.noteZero(5, 2)
    expect([0, 1, 2, 4, 5, 6, 7].map((block) => digests.isKnown(block))).toEqual([
      ...[true, true, false, false],
      ...[true, true, false],
    ])
    expect(hex(digests.digestAt(1))).toBe(hex(hasher.hash(filled(7))))
    expect(hex(digests.digestAt(5))).toBe('00'.repeat(16))
    expect(digests.knownBlocks).toBe(4)
  })

  it('have a root once every block is known, the last one short, and lose it with any', () => {
    const digests = made()
    const tree = new HashTree(SIZE, BLOCK, hasher)
    tree.update(BLOCKS - 1, filled(3, BLOCK - 100))
    digests.noteZero(0, BLOCKS - 1)
    expect(digests.root()).toBeUndefined()
    digests.note(BLOCKS - 1, filled(3, BLOCK - 100))
    expect(hex(digests.root())).toBe(hex(tree.root()))
    digests.forget(9, 1)
    expect(digests.root()).toBeUndefined()
    digests.noteZero(9, 1)
    expect(hex(digests.root())).toBe(hex(tree.root()))
  })

  it('keep in the tree what was noted, and tell no digest that was forgotten', () => {
    const digests = made()
    digests.note(0, filled(1, 3 * BLOCK))
    digests.forget(1, 1)
    expect(digests.digestAt(1)).toBeUndefined()
    expect(digests.tree.firstMismatch(1, filled(1))).toBe(-1)
    const { known, digests: bytes } = pageLeaves(digests, 0)
    expect(known[0]).toBe(0b101)
    expect(hex(bytes.subarray(16, 32))).toBe('00'.repeat(16))
    expect(hex(bytes.subarray(32, 48))).toBe(hex(hasher.hash(filled(1))))
  })

  it('are the same claim for the same knowledge, and another one for any other', () => {
    const [a, b] = [made(), made()]
    expect(hex(pageClaims(a, 0, 1))).toBe('00'.repeat(16))
    a.note(4, filled(1))
    b.note(4, filled(1, 2 * BLOCK))
    expect(hex(pageClaims(a, 0, 1))).not.toBe(hex(pageClaims(b, 0, 1)))
    b.forget(5, 1)
    expect(hex(pageClaims(a, 0, 1))).toBe(hex(pageClaims(b, 0, 1)))
    b.note(4, filled(2))
    expect(hex(pageClaims(a, 0, 1))).not.toBe(hex(pageClaims(b, 0, 1)))
  })

  it('tell a page of known zeroes from one of which nothing is known', () => {
    const digests = made()
    digests.noteZero(0, PAGE_BLOCKS)
    expect([0, 1].map((page) => digests.isKnownZero(page))).toEqual([true, false])
    const claim = hex(pageClaims(digests, 0, 1))
    expect(claim).not.toBe('00'.repeat(16))
    expect(hex(pageClaims(digests, 0, 1))).toBe(claim)
    digests.note(8, filled(1))
    expect(digests.isKnownZero(0)).toBe(false)
    digests.noteZero(8, 1)
    expect(digests.isKnownZero(0)).toBe(true)
    expect(hex(pageClaims(digests, 0, 1))).toBe(claim)
    digests.noteZero(2 * PAGE_BLOCKS, 3)
    expect(digests.isKnownZero(2)).toBe(true)
    expect(hex(pageClaims(digests, 2, 1))).not.toBe(claim)
  })

  it('find the end of a run of pages that are all known to be zero', () => {
    const digests = made()
    const { pageCount } = digests
    expect(digests.knownZeroEnd(0, pageCount)).toBe(0)
    digests.noteZero(0, BLOCKS)
    expect(digests.knownZeroEnd(0, pageCount)).toBe(pageCount)
    expect(digests.knownZeroEnd(1, 2)).toBe(2)
    digests.forget(2 * PAGE_BLOCKS - 1, 1)
    expect([0, 1, 2].map((page) => digests.knownZeroEnd(page, pageCount))).toEqual([1, 1, pageCount])
    digests.note(0, filled(1))
    expect(digests.knownZeroEnd(0, pageCount)).toBe(0)
    digests.noteZero(0, 1)
    // It was not zero once, so whoever asks looks at it.
    expect([digests.knownZeroEnd(0, pageCount), digests.isKnownZero(0)]).toEqual([0, true])
    expect([digests.isKnownZero(1), digests.isKnownZero(2)]).toEqual([false, true])
  })

  it('claim neighbouring pages as they claim each, whatever is known of them', () => {
    const digests = made()
    const { pageCount } = digests
    const claims = () => hex(pageClaims(digests, 0, pageCount))
    const each = () => Array.from({ length: pageCount }, (_, page) => hex(pageClaims(digests, page, 1))).join('')
    expect(claims()).toBe('00'.repeat(16 * pageCount))
    digests.noteZero(0, BLOCKS)
    expect(claims()).toBe(each())
    digests.forget(PAGE_BLOCKS + 3, 1)
    expect(claims()).toBe(each())
    digests.note(1, filled(1))
    digests.forget(2 * PAGE_BLOCKS - 1, 2)
    expect(claims()).toBe(each())
    expect(hex(pageClaims(digests, 1, pageCount - 1))).toBe(each().slice(32))
  })

  it('come back from their pages, the short one too', () => {
    const [before, after] = [made(), made()]
    const random = seededRandom(11)
    for (let block = 0; block < BLOCKS - 1; block++) {
      if (random() < 0.6) before.note(block, filled(Math.floor(random() * 3)))
    }
    before.note(BLOCKS - 1, filled(1, BLOCK - 100))
    for (let page = 0; page < before.pageCount; page++) restorePage(after, page, pageLeaves(before, page))
    for (let block = 0; block < BLOCKS; block++) expect(hex(after.digestAt(block))).toBe(hex(before.digestAt(block)))
    expect(after.knownBlocks).toBe(before.knownBlocks)
    expect(changed(after)).toEqual([])
    expect(after.unflushed.isEmpty()).toBe(true)
  })

  it('ignore bits behind the last block, and refuse leaves of another length', () => {
    const digests = made()
    restorePage(digests, 2, { known: new Uint8Array(32).fill(255), digests: new Uint8Array(4096).fill(1) })
    expect(digests.knownBlocks).toBe(3)
    expect(() => restorePage(digests, 0, { known: new Uint8Array(31), digests: new Uint8Array(4096) })).toThrow(
      RangeError,
    )
    expect(() => restorePage(digests, 0, { known: new Uint8Array(32), digests: new Uint8Array(4095) })).toThrow(
      RangeError,
    )
  })

  it('take over pages of zeroes', () => {
    const digests = made()
    digests.note(1, filled(1))
    digests.restoreZero(0, 3)
    expect(digests.knownBlocks).toBe(BLOCKS)
    expect(hex(digests.digestAt(1))).toBe('00'.repeat(16))
  })

  it('list the slices that changed since they were last taken', () => {
    const digests = made()
    digests.note(SLICE_BLOCKS - 1, filled(1, 2 * BLOCK))
    expect(changed(digests)).toEqual([0, 1])
    expect(changed(digests)).toEqual([])
    digests.forget(2 * PAGE_BLOCKS, 3)
    expect(changed(digests)).toEqual([])
    digests.forget(0, BLOCKS)
    expect(changed(digests)).toEqual(Array.from({ length: 33 }, (_, slice) => slice))
    digests.noteZero(2 * PAGE_BLOCKS + 2, 1)
    const slices = digests.takeChangedSlices()
    digests.changedAgain(slices)
    slices.free()
    expect(changed(digests)).toEqual([32])
  })

  it('say which were noted since a flush began', () => {
    const digests = made()
    digests.note(0, filled(1, 2 * BLOCK))
    const covered = digests.takeUnflushed()
    digests.note(1, filled(2))
    expect([0, 1].map((block) => digests.unflushed.test(block))).toEqual([false, true])
    digests.unflushedAgain(covered)
    covered.free()
    expect([0, 1].map((block) => digests.unflushed.test(block))).toEqual([true, true])
  })

  it('are not known while barred, whoever notes them', () => {
    const digests = made()
    digests.note(0, filled(1, 6 * BLOCK))
    digests.bar(2, 2)
    digests.note(0, filled(1, 6 * BLOCK))
    digests.note(3, filled(1))
    expect([0, 1, 2, 3, 4, 5].map((block) => digests.isKnown(block))).toEqual([
      ...[true, true, false],
      ...[false, true, true],
    ])
    digests.allow(3, 1)
    digests.noteZero(0, 6)
    expect([2, 3].map((block) => digests.isKnown(block))).toEqual([false, true])
    expect(digests.knownBlocks).toBe(5)
  })

  it('take a digest that was computed elsewhere', () => {
    const digests = made()
    digests.noteDigests(0, hasher.hash(filled(5)))
    digests.noteDigests(1, new Uint8Array(16))
    expect(digests.tree.firstMismatch(0, filled(5))).toBe(-1)
    expect(digests.tree.isZero(1, 1)).toBe(true)
    expect(digests.knownBlocks).toBe(2)
  })
})
