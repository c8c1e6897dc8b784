import { expect, it } from 'vitest'
import { systemClock } from '../../src/async/clock.ts'
import { Verifier } from '../../src/migration/verifier.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'

const BLOCK_SIZE = 65536
const BLOCKS = 256

/** A sparse destination that counts how often it is asked what it stores. */
async function destinationWith(blocks: readonly number[]) {
  const disk = new MemoryStorage(BLOCKS * BLOCK_SIZE, { sparse: true })
  const digests = new BlockDigests(disk.size, BLOCK_SIZE, await createBlockHasher())
  const questions = { count: 0 }
  const { extents } = disk
  disk.extents = (offset, length) => {
    questions.count++
    return extents!(offset, length)
  }
  const verifier = new Verifier(digests, disk, systemClock)
  const bytes = new Uint8Array(BLOCK_SIZE).fill(7)
  for (const block of blocks) {
    await disk.writeAt(bytes, block * BLOCK_SIZE)
    verifier.stored(block, 1, bytes)
  }
  return { disk, verifier, questions }
}

it('does not ask a destination for holes where data was sent, however scattered', async () => {
  // Each question lists what a database stores from there on: asked for every block, reading back took longer than moving.
  const { verifier, questions } = await destinationWith(Array.from({ length: BLOCKS / 2 }, (_, index) => index * 2))
  expect(await verifier.verify()).toBeUndefined()
  expect(questions.count).toBe(0)
})

it('takes the word of a destination for a long stretch of zeroes', async () => {
  const { verifier, questions } = await destinationWith([0])
  verifier.stored(16, BLOCKS - 16, undefined)
  expect(await verifier.verify()).toBeUndefined()
  expect(questions.count).toBeGreaterThan(0)
  expect(questions.count).toBeLessThan(8)
})

it('finds a byte where zeroes were sent', async () => {
  const { disk, verifier } = await destinationWith([])
  verifier.stored(0, BLOCKS, undefined)
  await disk.writeAt(Uint8Array.of(1), 100 * BLOCK_SIZE + 5)
  const wrong = await verifier.verify()
  expect(wrong?.nextSet(0)).toBe(100)
  expect(wrong?.count()).toBe(1)
})
