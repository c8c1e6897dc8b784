import type { Mutant } from './mutant.ts'

const DIGESTS = 'src/storage/block-digests.ts'
const TREE = 'src/storage/hash-tree.ts'
const ANY = 'src/orders/any-block-order.ts'
const PRIORITY = 'src/orders/priority-block-order.ts'
const BITFIELD = 'src/bitfield/bitfield.ts'
const RANGE = 'src/storage/range.ts'

/** Bugs in what counts, hashes and chooses. */
export const storageMutants: readonly Mutant[] = [
  {
    name: 'block-count-rounds-down',
    file: RANGE,
    find: '  return Math.ceil(size / blockSize)\n',
    replace: '  return Math.max(1, Math.floor(size / blockSize))\n',
    reason: 'Off by one on the tail: the short last block does not exist.',
  },
  {
    name: 'digest-not-forgotten',
    file: DIGESTS,
    find: '    this.known.clearRange(start, start + count)\n    this.#changed(start, count)',
    replace: '    this.#changed(start, count)',
    reason: 'Known digests are not forgotten.',
  },
  {
    name: 'one-digest-not-forgotten',
    file: DIGESTS,
    find: '      if (!this.known.clear(start)) return\n      this.#knownBlocks--',
    replace: '      if (!this.known.test(start)) return',
    reason: 'The same for a single block.',
  },
  {
    name: 'root-of-what-is-known',
    file: DIGESTS,
    find: 'return this.#knownBlocks === this.blockCount ? this.tree.root() : undefined',
    replace: 'return this.tree.root()',
    reason: 'A root is named although blocks are not known.',
  },
  {
    name: 'single-change-not-told',
    file: DIGESTS,
    find: '      this.#unflushed.set(start)\n      this.#changedSlices.set(Math.floor(start / SLICE_BLOCKS))',
    replace: '      this.#unflushed.set(start)',
    reason: 'A block that became known is not written down.',
  },
  {
    name: 'tree-not-updated-for-zeroes',
    file: TREE,
    find: 'number < end; number++) this.#store(0, number, ZERO_DIGEST)\n',
    replace: 'number < end - 1; number++) this.#store(0, number, ZERO_DIGEST)\n',
    reason: 'Off by one: the last block that became zero keeps the digest it had.',
  },
  {
    name: 'order-cursor-not-moved-back',
    file: ANY,
    find: '    if (block < this.#cursor) this.#cursor = block\n',
    replace: '',
    reason: 'Forgets to re-arm: a block that comes back is never handed out.',
  },
  {
    name: 'order-takes-one-more',
    file: ANY,
    find: 'run.count = limit > 1 ? 1 + this.takeFrom(start + 1, limit - 1) : 1',
    replace: 'run.count = limit > 1 && start + 2 < this.numBlocks ? 2 + this.takeFrom(start + 1, limit - 1) : 1',
    reason: 'Off by one: blocks are handed out that are not in the order.',
  },
  {
    name: 'order-loses-the-tail',
    file: ANY,
    find: 'const end = this.#blocks.nextClear(block, Math.min(block + limit, this.numBlocks))\n    if (end === block) return 0',
    replace:
      'const end = this.#blocks.nextClear(block, Math.min(block + limit, this.numBlocks))\n    if (end === block) return 0\n    if (end - block > 2) {\n      this.#count--\n      this.#blocks.clear(end - 1)\n      return this.takeFrom(block, end - block - 1)\n    }',
    reason: 'Off by one: the last block of a run is taken and not handed out.',
  },
  {
    name: 'urgent-block-lost',
    file: PRIORITY,
    find: '        this.#run.start = block\n        return this.#run',
    replace: '        this.#run.start = block\n        return this.#next.next(limit)',
    reason: 'A block that somebody waits for leaves the order and is not handed out.',
  },
  {
    name: 'runs-one-short',
    file: BITFIELD,
    find: '      visit(start, end - start)\n      start = this.nextSet(end)',
    replace: '      visit(start, Math.max(1, end - start - 1))\n      start = this.nextSet(end)',
    reason: 'Off by one: the last block of every run is left out.',
  },
  {
    name: 'next-set-one-off',
    file: BITFIELD,
    find: '    const word = this.#words[from >>> 5]! & (-1 << from)\n    if (word !== 0) {\n      const found = ((from | 31)',
    replace:
      '    const word = this.#words[from >>> 5]! & (-2 << from)\n    if (word !== 0) {\n      const found = ((from | 31)',
    reason: 'Off by one: the first block of a search is skipped.',
  },
  {
    name: 'barred-block-learned',
    file: 'src/storage/block-digests.ts',
    find: '      if (this.#barred?.test(start)) return\n',
    replace: '',
    killedBy: 'test/migration/journal/write-intents.test.ts',
    reason: 'A digest read before a write is noted after it.',
  },
  {
    name: 'barred-run-learned',
    file: 'src/storage/block-digests.ts',
    find: '      const barred = this.#barred?.nextSet(from, end) ?? -1\n      const to = barred < 0 ? end : barred',
    replace: '      const to = end',
    killedBy: 'test/migration/journal/write-intents.test.ts',
    reason: 'The same for a run.',
  },
  {
    name: 'tree-root-ignores-the-blocks',
    file: 'src/storage/hash-tree.ts',
    find: '    header.set(top, 22)\n',
    replace: '',
    killedBy: 'test/storage/hash-tree.test.ts',
    reason: 'Every disk of one size has one root: nothing is verified.',
  },
  {
    name: 'volatile-count-drifts',
    file: 'src/orders/volatility-monitor.ts',
    find: '    if (this.#blocks.set(block)) this.#count++\n    const level',
    replace: '    this.#blocks.set(block)\n    this.#count++\n    const level',
    killedBy: 'test/orders/conformance.test.ts',
    reason: 'A block that is added twice is counted twice.',
  },
]
