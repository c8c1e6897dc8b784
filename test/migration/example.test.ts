import { expect, test } from 'vitest'
import { Migrator } from '../../src/migration/migrator.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'

test('the example of the README moves a disk', async () => {
  const blockSize = 65536
  const numBlocks = 1024
  const source = new MemoryStorage(blockSize * numBlocks)
  const { local, remote } = createDirtyTracker(source, blockSize) // the application writes to local
  await local.writeAt(new Uint8Array(100_000).fill(7), 1_234_567)
  const order = new AnyBlockOrder(numBlocks)
  order.addAll()
  const destination = new MemoryStorage(blockSize * numBlocks)
  const migrator = new Migrator(remote, destination, order, { blockSize })
  await migrator.migrate(numBlocks)
  await migrator.waitForCompletion()

  expect(await compareDisks(source, destination, blockSize)).toEqual({ blocks: 0, bytes: 0, firstOffset: -1 })
  await source.close()
  await destination.close()
})
