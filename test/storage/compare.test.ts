import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { pattern } from '../conformance/storage-provider-io.ts'
import { FlakyStorage, onCalls } from '../support/flaky-storage.ts'
import { propertyOptions } from '../support/seed.ts'

async function pair(content: Uint8Array): Promise<[MemoryStorage, MemoryStorage]> {
  const disks: [MemoryStorage, MemoryStorage] = [new MemoryStorage(content.length), new MemoryStorage(content.length)]
  for (const disk of disks) await disk.writeAt(content, 0)
  return disks
}

const EQUAL = { blocks: 0, bytes: 0, firstOffset: -1 }

describe('compareDisks', () => {
  it('counts what Silo counts: four edits, two blocks, nineteen bytes', async () => {
    const [first, second] = await pair(new Uint8Array(4096))
    expect(await compareDisks(first, second, 1024)).toEqual(EQUAL)
    // Two of the four overlap by five bytes.
    for (const offset of [7, 8, 900, 3000]) await second.writeAt(new TextEncoder().encode('Edited'), offset)
    expect(await compareDisks(first, second, 1024)).toEqual({ blocks: 2, bytes: 19, firstOffset: 7 })
    await first.close()
    await second.close()
  })

  it('sees the first and the last byte, and counts across steps', async () => {
    const size = 3 * 2 ** 20 + 5
    const [first, second] = await pair(pattern(size))
    for (const offset of [0, 2 ** 20 - 1, 2 ** 20, size - 1]) await second.writeAt(Uint8Array.of(255), offset)
    expect(await compareDisks(first, second, 65536)).toEqual({ blocks: 4, bytes: 4, firstOffset: 0 })
    // One block that two steps share is one block.
    expect(await compareDisks(first, second, 2 ** 21)).toEqual({ blocks: 2, bytes: 4, firstOffset: 0 })
    await first.close()
    await second.close()
  })

  it('counts random differences as a plain loop does, in steps of any length', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20_000 }),
        fc.nat(),
        fc.constantFrom(512, 1024, 4096),
        fc.integer({ min: 1, max: 30_000 }),
        async (size, seed, blockSize, stepBytes) => {
          const random = seededRandom(seed)
          const content = pattern(size)
          const changed = content.slice()
          for (let edits = Math.floor(random() * 20); edits > 0; edits--)
            changed[Math.floor(random() * size)] = random() * 256
          const [first, second] = await pair(content)
          await second.writeAt(changed, 0)
          const differing = [...content.keys()].filter((index) => content[index] !== changed[index])
          expect(await compareDisks(first, second, blockSize, { stepBytes: Math.max(stepBytes, size >> 5) })).toEqual({
            blocks: new Set(differing.map((index) => Math.floor(index / blockSize))).size,
            bytes: differing.length,
            firstOffset: differing[0] ?? -1,
          })
          await first.close()
          await second.close()
        },
      ),
      propertyOptions(150),
    )
  })

  it('refuses disks of different size', async () => {
    const [first, second] = [new MemoryStorage(1000), new MemoryStorage(1001)]
    await expect(compareDisks(first, second, 512)).rejects.toMatchObject({
      code: 'SIZE_MISMATCH',
      context: { first: 1000, second: 1001 },
    })
  })

  it.each([0, -512, 512.5, Number.NaN, 1000])('refuses block size %d', async (blockSize) => {
    const [first, second] = await pair(pattern(1000))
    await expect(compareDisks(first, second, blockSize)).rejects.toBeInstanceOf(RangeError)
  })

  it.each([0, -1, 0.5, Number.NaN])('refuses steps of %d bytes instead of walking for ever', async (stepBytes) => {
    const [first, second] = await pair(pattern(1000))
    await expect(compareDisks(first, second, 512, { stepBytes })).rejects.toBeInstanceOf(RangeError)
  })

  it('passes on failures of either side, short reads included', async () => {
    const [first, second] = await pair(pattern(1000))
    const flaky = new FlakyStorage(second, onCalls('read', {}))
    await expect(compareDisks(first, flaky, 512)).rejects.toMatchObject({ code: 'READ_FAILED' })
    flaky.plan = onCalls('read', { from: 2 }, { how: 'short', effect: 0.5 })
    await expect(compareDisks(flaky, first, 512)).rejects.toMatchObject({ code: 'SHORT_READ' })
    flaky.plan = undefined
    expect(await compareDisks(first, flaky, 512)).toEqual(EQUAL)
  })

  it('ends with ABORTED when told to', async () => {
    const [first, second] = await pair(pattern(10_000))
    const controller = new AbortController()
    const options = { signal: controller.signal, stepBytes: 1000, progress: () => controller.abort() }
    await expect(compareDisks(first, second, 512, options)).rejects.toMatchObject({ code: 'ABORTED' })
  })
})
