import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { type BlockHasher, createBlockHasher, DIGEST_BYTES } from '../../src/storage/block-hasher.ts'
import { digestText, HashTree } from '../../src/storage/hash-tree.ts'
import { propertyOptions } from '../support/seed.ts'

const BLOCK = 512
let hasher: BlockHasher
let hashed = 0
beforeAll(async () => {
  const real = await createBlockHasher()
  hasher = {
    name: real.name,
    hash: (bytes) => {
      hashed += bytes.length
      return real.hash(bytes)
    },
  }
})

/** The definition, straight from the drawing in hash-tree.ts: everything hashed anew, nothing kept. */
function rootFromScratch(disk: Uint8Array, blockSize: number): string {
  const zero = new Uint8Array(DIGEST_BYTES)
  const zeroes = new Uint8Array(Math.max(blockSize, 4096))
  const digest = (bytes: Uint8Array) =>
    Buffer.compare(bytes, zeroes.subarray(0, bytes.length)) ? hasher.hash(bytes) : zero
  let level: Uint8Array[] = []
  for (let at = 0; at < disk.length; at += blockSize) level.push(digest(disk.subarray(at, at + blockSize)))
  do {
    const parents: Uint8Array[] = []
    for (let first = 0; first < level.length; first += 256) {
      const page = new Uint8Array(256 * DIGEST_BYTES)
      for (const [index, child] of level.slice(first, first + 256).entries()) page.set(child, index * DIGEST_BYTES)
      parents.push(digest(page))
    }
    level = parents
  } while (level.length > 1)
  const header = new Uint8Array(38)
  header.set(new TextEncoder().encode('blockferry'))
  new DataView(header.buffer).setBigUint64(10, BigInt(disk.length), true)
  new DataView(header.buffer).setUint32(18, blockSize, true)
  header.set(level[0]!, 22)
  return digestText(hasher.hash(header))
}

function noise(length: number, seed: number): Uint8Array {
  const random = seededRandom(seed)
  return new Uint8Array(length).map(() => random() * 256)
}

const rootOf = (disk: Uint8Array, blockSize = BLOCK) => {
  const tree = new HashTree(disk.length, blockSize, hasher)
  tree.update(0, disk)
  return digestText(tree.root())
}

describe('HashTree', () => {
  it.each([1, 511, 512, 513, 255 * BLOCK, 256 * BLOCK, 256 * BLOCK + 1, 257 * BLOCK, 1000 * BLOCK - 7])(
    'has the root of the definition for %i bytes',
    (size) => {
      const disk = noise(size, size)
      expect(rootOf(disk)).toBe(rootFromScratch(disk, BLOCK))
    },
  )

  it.each([65535, 65536, 65537])('has the root of the definition for %i blocks, few of them with content', (blocks) => {
    const disk = new Uint8Array(blocks * BLOCK)
    const tree = new HashTree(disk.length, BLOCK, hasher)
    for (const block of [0, 255, 256, 65534, blocks - 1]) {
      const bytes = noise(BLOCK, block)
      disk.set(bytes, block * BLOCK)
      tree.update(block, bytes)
    }
    expect(digestText(tree.root())).toBe(rootFromScratch(disk, BLOCK))
  })

  it('has the root of the definition after random updates, zeroes and roots in between', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600 * BLOCK }),
        fc.nat(),
        fc.integer({ min: 1, max: 25 }),
        (size, seed, updates) => {
          const random = seededRandom(seed)
          const disk = new Uint8Array(size)
          const blocks = Math.ceil(size / BLOCK)
          const tree = new HashTree(size, BLOCK, hasher)
          for (let update = 0; update < updates; update++) {
            const block = Math.floor(random() * blocks)
            const count = 1 + Math.floor(random() ** 4 * (blocks - block))
            const [from, to] = [block * BLOCK, Math.min((block + count) * BLOCK, size)]
            const kind = random()
            if (kind < 0.3) {
              disk.fill(0, from, to)
              tree.updateZero(block, count)
            } else {
              // A block of zeroes may also come as bytes.
              if (kind < 0.4) disk.fill(0, from, to)
              else disk.set(noise(to - from, update), from)
              tree.update(block, disk.subarray(from, to))
            }
            if (random() < 0.3) tree.root()
          }
          expect(digestText(tree.root())).toBe(rootFromScratch(disk, BLOCK))
        },
      ),
      propertyOptions(100),
    )
  })

  it('hashes after a change only what the change touches', () => {
    const tree = new HashTree(70_000 * BLOCK, BLOCK, hasher)
    for (let block = 0; block < 70_000; block += 100) tree.update(block, noise(BLOCK, block))
    tree.root()
    tree.update(65_000, noise(BLOCK, 2))
    hashed = 0
    tree.root()
    // One page of each of the three levels, and the head.
    expect(hashed).toBeLessThanOrEqual(3 * 4096 + 38)
  })

  it('gives other roots for blocks in another order, another size and another block size', () => {
    const a = noise(BLOCK, 1)
    const b = noise(BLOCK, 2)
    const ab = rootOf(new Uint8Array([...a, ...b]))
    const ba = rootOf(new Uint8Array([...b, ...a]))
    const longer = rootOf(new Uint8Array([...a, ...b, 0]))
    const coarser = rootOf(new Uint8Array([...a, ...b]), 1024)
    expect(new Set([ab, ba, longer, coarser]).size).toBe(4)
  })

  it('tells disks of zeroes of different size apart', () => {
    expect(rootOf(new Uint8Array(1000))).not.toBe(rootOf(new Uint8Array(1001)))
  })

  it('tells a short last block from the same bytes with zeroes behind', () => {
    expect(rootOf(noise(700, 1))).not.toBe(rootOf(new Uint8Array([...noise(700, 1), ...new Uint8Array(324)])))
  })

  it('changes the root with each single bit of a block', () => {
    const disk = noise(3 * BLOCK + 10, 1)
    const roots = new Set([rootOf(disk)])
    for (const bit of [0, 7, 8 * BLOCK - 1, 8 * BLOCK, 8 * disk.length - 1]) {
      disk[bit >> 3]! ^= 1 << (bit & 7)
      roots.add(rootOf(disk))
      disk[bit >> 3]! ^= 1 << (bit & 7)
    }
    expect(roots.size).toBe(6)
  })

  it('sees content at every place of a block, whatever its alignment', () => {
    const buffer = new Uint8Array(BLOCK + 8)
    for (let shift = 0; shift < 5; shift++) {
      for (const at of [0, 1, 2, 3, 4, 5, BLOCK - 3, BLOCK - 2, BLOCK - 1]) {
        const block = buffer.subarray(shift, shift + BLOCK)
        block.fill(0)
        block[at] = 1
        const tree = new HashTree(BLOCK, BLOCK, hasher)
        tree.update(0, block)
        expect(tree.isZero(0, 1)).toBe(false)
      }
    }
  })

  it('finds the first block that is not as noted', () => {
    const disk = noise(300 * BLOCK - 100, 1)
    disk.fill(0, 10 * BLOCK, 20 * BLOCK)
    const tree = new HashTree(disk.length, BLOCK, hasher)
    tree.update(0, disk)
    expect(tree.firstMismatch(0, disk)).toBe(-1)
    for (const block of [0, 9, 10, 19, 255, 256, 299]) {
      const changed = disk.slice()
      changed[Math.min((block + 1) * BLOCK, disk.length) - 1]! ^= 1
      expect(tree.firstMismatch(0, changed)).toBe(block)
      expect(tree.firstMismatch(block, changed.subarray(block * BLOCK, (block + 1) * BLOCK))).toBe(block)
    }
    expect(new HashTree(disk.length, BLOCK, hasher).firstMismatch(10, disk.subarray(10 * BLOCK, 21 * BLOCK))).toBe(20)
  })

  it('knows which blocks are zero', () => {
    const tree = new HashTree(600 * BLOCK, BLOCK, hasher)
    expect(tree.isZero(0, 600)).toBe(true)
    tree.update(256, noise(BLOCK, 1))
    expect([tree.isZero(0, 256), tree.isZero(0, 257), tree.isZero(257, 343), tree.isZero(256, 1)]).toEqual([
      true,
      false,
      true,
      false,
    ])
    tree.updateZero(200, 100)
    expect(tree.isZero(0, 600)).toBe(true)
  })

  it('takes no memory and no hashing for an empty disk of a petabyte', () => {
    const tree = new HashTree(2 ** 50, 65536, hasher)
    tree.updateZero(0, 2 ** 20)
    hashed = 0
    tree.root()
    expect(hashed).toBe(38)
  })

  it.each([0, -512, 512.5, Number.NaN, 1000, 2 ** 25])('refuses block size %d', (blockSize) => {
    expect(() => new HashTree(1000, blockSize, hasher)).toThrow(RangeError)
  })

  it.each([0, -1, 0.5, Number.NaN, 2 ** 53])('refuses size %d', (size) => {
    expect(() => new HashTree(size, 512, hasher)).toThrow(RangeError)
  })
})
