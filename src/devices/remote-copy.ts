import { StorageError } from '../errors/storage-error.ts'
import type { Connection } from '../protocol/connection.ts'
import { FromProtocol } from '../protocol/from-protocol.ts'
import { askDigests, type HandOverParty } from '../protocol/hand-over-requests.ts'
import type { DigestLevel } from '../protocol/packets/read-digests.ts'
import { ToProtocol } from '../protocol/to-protocol.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { StorageWrapper } from '../storage/wrapper.ts'
import type { ComparableCopy } from './hashed-copy.ts'

/** The disk as the one who compares asks for it, and the one on which its owner says what there is. */
const [ASKED, SHOWN] = [1, 2]

/** Lets a peer that has come to compare ask for digests of a disk, read what differs, and, where `mayWrite` says so, repair it. */
export async function showCopy(
  { rw }: Connection,
  { copy, name, mayWrite }: { copy: ComparableCopy; name: string; mayWrite: () => boolean },
): Promise<void> {
  const { size, blockSize } = copy
  new FromProtocol(rw, ASKED, () => ({ provider: new ShownDisk(copy, mayWrite), handOver: new DigestsOnly(copy) }))
  await new ToProtocol(rw, { dev: SHOWN, size, blockSize, name }).announce()
}

/** The disk that a peer shows. @throws StorageError `PEER_LOST` */
export async function openRemoteCopy({ rw }: Connection): Promise<ComparableCopy & { readonly name: string }> {
  const nothing = { readAt: refused, writeAt: refused, flush: refused, close: async () => {}, cancelWrites: () => {} }
  const shown = new FromProtocol(rw, SHOWN, ({ size }) => ({ provider: { size, ...nothing } }))
  const { size, blockSize, name } = await shown.announced
  const to = new ToProtocol(rw, { dev: ASKED, size, blockSize, name })
  await to.announce()
  return {
    size,
    blockSize,
    name,
    digests: (level, first, count) => askDigests(rw, ASKED, { level, first, count }),
    readAt: (target, offset) => to.readAt(target, offset),
    writeAt: (data, offset) => to.writeAt(data, offset),
    flush: () => to.flush(),
  }
}

/** What a peer may do with a disk that is only shown. */
class ShownDisk extends StorageWrapper {
  readonly #mayWrite: () => boolean

  constructor(copy: ComparableCopy, mayWrite: () => boolean) {
    const disk: StorageProvider = {
      size: copy.size,
      readAt: (target, offset) => copy.readAt(target, offset),
      writeAt: (data, offset) => copy.writeAt(data, offset),
      flush: () => copy.flush(),
      close: async () => {},
      cancelWrites: () => {},
    }
    super(disk)
    this.#mayWrite = mayWrite
  }

  override async writeAt(data: Uint8Array, offset: number): Promise<number> {
    if (!this.#mayWrite()) throw new StorageError('LOCKED', 'This disk may not be repaired from elsewhere now.')
    return super.writeAt(data, offset)
  }
}

/** Nothing is handed over. */
class DigestsOnly implements HandOverParty {
  readonly #copy: ComparableCopy
  readonly begin = refused
  readonly keep = refused
  readonly prepare = refused
  readonly commit = refused
  readonly cancel = refused
  readonly complete = refused

  constructor(copy: ComparableCopy) {
    this.#copy = copy
  }

  readDigests(level: DigestLevel, first: number, count: number): Promise<Uint8Array> {
    return this.#copy.digests(level, first, count)
  }
}

async function refused(): Promise<never> {
  throw new StorageError('NOT_SUPPORTED', 'The disk is here to be compared only.')
}
