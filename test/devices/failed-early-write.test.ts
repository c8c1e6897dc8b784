import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { DIGEST_BYTES } from '../../src/storage/block-hasher.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

test('a block that a failed write has torn before all blocks had come is not known by what came', async () => {
  const machines = new TwoMachines(seededRandom(9))
  await machines.bootSource()
  machines.bootDestination()
  const { disk } = machines.far
  const write = disk.writeAt.bind(disk)
  disk.writeAt = async (data, offset) => {
    if (data[0] !== 0xab) return write(data, offset)
    await write(data.subarray(0, 50), offset)
    throw new StorageError('WRITE_FAILED')
  }
  let written: Promise<number> | undefined
  const progressHandler = () => {
    if (!machines.destinationIsOpen || written) return
    written = machines.arriving.disk.writeAt(new Uint8Array(100).fill(0xab), 250 * BLOCK + 10)
    written.catch(() => {})
  }
  const options = { strategy: 'post-copy', progressHandler, progressIntervalMs: 0 } as const
  const { source } = await machines.move(await machines.connect(), options)
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  await machines.arriving.whole
  await expect(written).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  const { digests } = machines.arriving.journal
  const bytes = new Uint8Array(disk.size)
  await disk.readAt(bytes, 0)
  const stored = digests.hash(bytes)
  const isWrong = (block: number) =>
    digests.digestAt(block)?.some((byte, at) => byte !== stored[block * DIGEST_BYTES + at]) === true
  expect(Array.from({ length: digests.blockCount }, (_, block) => block).filter(isWrong)).toEqual([])
  expect(digests.isKnown(249)).toBe(true)
})
