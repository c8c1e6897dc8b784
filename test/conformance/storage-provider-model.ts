import { type Random, seededRandom } from '../../src/async/random.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { expectNumbers, expectSame } from './case.ts'

/** Rounds of calls issued together, each followed by reads of what they touched. */
const ROUNDS = 60

/**
 * Issues random writes, zeroes and reads, several at once, to a disk of zeroes and to a plain array, and compares.
 * Calls issued together take effect in the order they were issued, as the contract's users expect of overlapping writes.
 * @throws with the seed in the message when the two differ.
 */
export async function checkAgainstModel(disk: StorageProvider, seed: number): Promise<void> {
  const random = seededRandom(seed)
  const model = new Uint8Array(disk.size)
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const calls = Array.from({ length: 1 + Math.floor(random() * 5) }, () => change(disk, model, random))
      await Promise.all(calls)
      if (random() < 0.1) await disk.flush()
      await Promise.all(Array.from({ length: 3 }, () => compareSome(disk, model, random)))
    }
    await compare(disk, model, 0, disk.size)
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/** A range that likes the edges: aligned or not, tiny or across several records, sometimes past the end. */
function randomRange(size: number, random: Random): { offset: number; length: number } {
  const unit = [1, 512, 4096, 65_536][Math.floor(random() * 4)]
  const offset = Math.min(size, Math.floor((random() * size) / unit) * unit)
  const length = Math.floor(random() * 3 * unit) + (random() < 0.5 ? unit : 0)
  return { offset, length }
}

async function change(disk: StorageProvider, model: Uint8Array, random: Random): Promise<void> {
  const { offset, length } = randomRange(disk.size, random)
  const clipped = Math.min(length, disk.size - offset)
  if (disk.zeroAt && random() < 0.2) {
    model.fill(0, offset, offset + clipped)
    expectSame(await disk.zeroAt(offset, length), clipped, `count of zeroAt(${offset}, ${length})`)
    return
  }
  const isZero = random() < 0.2
  const data = Uint8Array.from({ length }, () => (isZero ? 0 : Math.floor(random() * 256)))
  model.set(data.subarray(0, clipped), offset)
  expectSame(await disk.writeAt(data, offset), clipped, `count of writeAt(${offset}, ${length})`)
}

async function compareSome(disk: StorageProvider, model: Uint8Array, random: Random): Promise<void> {
  const { offset, length } = randomRange(disk.size, random)
  await compare(disk, model, offset, length)
}

async function compare(disk: StorageProvider, model: Uint8Array, offset: number, length: number): Promise<void> {
  const clipped = Math.min(length, disk.size - offset)
  const target = new Uint8Array(length)
  expectSame(await disk.readAt(target, offset), clipped, `count of readAt(${offset}, ${length})`)
  expectNumbers(
    target.subarray(0, clipped),
    model.subarray(offset, offset + clipped),
    `content at ${offset}, length ${length}`,
  )
}
