import { Migrator } from '../../src/migration/migrator.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import type { ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { fillRandom } from './random-bytes.ts'

const MIB = 2 ** 20

/** A disk in memory with content that nothing could leave out. */
export function filledDisk(size: number): MemoryStorage {
  const disk = new MemoryStorage(size)
  const piece = new Uint8Array(MIB)
  fillRandom(piece)
  for (let offset = 0; offset < size; offset += MIB) disk.writeAtSync(piece, offset)
  return disk
}

/** Moves the whole disk to the other side, and has it flushed there. */
export async function moveDisk(source: MemoryStorage, rw: ProtocolRW, blockSize: number): Promise<void> {
  const { size } = source
  const to = new ToProtocol(rw, { dev: 1, size, blockSize, name: 'disk' })
  await to.announce()
  const { remote } = createDirtyTracker(source, blockSize)
  const order = new AnyBlockOrder(size / blockSize)
  order.addAll()
  const migrator = new Migrator(remote, to, order, { blockSize })
  await migrator.migrate(order.numBlocks)
  await migrator.waitForCompletion()
  await to.flush()
}

/** Milliseconds it takes to move the disk over a channel to somebody who {@link storeDisk}s it. Ends the channel. */
export async function moveOver(channel: Channel, source: MemoryStorage): Promise<number> {
  const { rw, close } = await openConnection([channel], { role: 'dialer' })
  const startedAt = performance.now()
  await moveDisk(source, rw, 65536)
  const took = performance.now() - startedAt
  await close()
  return took
}

/** Takes a disk that comes over a channel; resolves when the channel has ended. */
export async function storeDisk(channel: Channel, destination: MemoryStorage): Promise<void> {
  const { rw } = await openConnection([channel], { role: 'listener' })
  new FromProtocol(rw, 1, () => ({ provider: destination }))
  await channel.ended
}
