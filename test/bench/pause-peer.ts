// The other process of the benchmarks of pauses: `pause-peer.js SIZE FOLDER`. It tells its parent its ports: one that counts what comes, and
// one for each place where it takes disks. When a disk is its own it tells when that was.
import { join } from 'node:path'
import type { OfferedDisk } from '../../src/devices/offered-disk.ts'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import type { Journal } from '../../src/migration/journal/journal.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { FileStorage } from '../../src/sources/file.node.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'
import { listenTcp } from '../../src/transports/tcp-server.node.ts'
import { newJournal } from './journaled-disk.ts'
import { machineNow } from './machine-now.ts'

const [size, folder] = [Number(process.argv[2]), process.argv[3]!]

/** What is told of a disk that was handed over, in milliseconds of the machine. */
export interface HandedOver {
  /** Writes of the application go. */
  readonly openAt: number
  /** One that had waited before the gate has ended. */
  readonly writtenAt: number
}

/** Counts, and says one byte when everything has come. */
function count(channel: Channel): void {
  let left = size
  channel.receive((bytes) => {
    left -= bytes.length
    if (left === 0) void channel.send([new Uint8Array(1)])
  })
}

/** A place that is kept for the next disk. */
class KeptDisk extends StorageWrapper {
  zeroAt?: (offset: number, length: number) => Promise<number>
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(inner: StorageProvider) {
    super(inner)
    if (inner.zeroAt) this.zeroAt = (offset, length) => inner.zeroAt!(offset, length)
    if (inner.writeAtSync) this.writeAtSync = (data, offset) => inner.writeAtSync!(data, offset)
  }

  override async close(): Promise<void> {}
}

type Place = 'memory' | 'journaled-memory' | 'journaled-file'

async function take(channel: Channel, place: Place): Promise<void> {
  const connection = await openConnection([channel], { role: 'listener' })
  let journal: Journal | undefined
  const openJournal = async ({ size, blockSize }: OfferedDisk) => {
    journal = await newJournal(join(folder, 'destination.ferry'), size, blockSize)
    return journal
  }
  const received = await receiveDisk({
    connection,
    create: (offer) => placeOf(offer.size, place),
    ...(place === 'memory' ? {} : { journal: openJournal }),
  })
  const written = received.disk.writeAt(new Uint8Array(4096).fill(1), 0)
  await received.handedOver
  const openAt = machineNow()
  await written
  process.send!({ openAt, writtenAt: machineNow() } satisfies HandedOver)
  await connection.rw.ended
  await journal?.close()
}

let memory: MemoryStorage | undefined
let file: StorageProvider | undefined

/** Touched, so that no run pays for fresh pages. A disk that is larger than usual is mostly holes. */
async function placeOf(bytes: number, place: Place): Promise<StorageProvider> {
  if (place === 'journaled-file') {
    file ??= await FileStorage.open(join(folder, 'destination.disk'), { create: bytes })
    return new KeptDisk(file)
  }
  if (bytes !== size) return new MemoryStorage(bytes, { sparse: true })
  if (!memory) {
    memory = new MemoryStorage(size)
    for (let at = 0; at < size; at += 2 ** 20) memory.writeAtSync(new Uint8Array(2 ** 20).fill(1), at)
  }
  return new KeptDisk(memory)
}

const listen = async (place: Place) => (await listenTcp({ onChannel: (channel) => void take(channel, place) })).port
process.send!({
  count: (await listenTcp({ onChannel: count })).port,
  memory: await listen('memory'),
  'journaled-memory': await listen('journaled-memory'),
  'journaled-file': await listen('journaled-file'),
})
process.on('disconnect', () => process.exit())
