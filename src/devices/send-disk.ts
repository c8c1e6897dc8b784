import { errorCode, StorageError } from '../errors/storage-error.ts'
import { type LiveMigrationOptions, type LiveMigrationResult, migrateLive } from '../migration/migrate-live.ts'
import { AnyBlockOrder } from '../orders/any-block-order.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import { PriorityBlockOrder } from '../orders/priority-block-order.ts'
import { CONTROL_DEVICE, type Connection } from '../protocol/connection.ts'
import { ToProtocol } from '../protocol/to-protocol.ts'
import { digestText } from '../storage/hash-tree.ts'
import { siloSchema } from './silo-schema.ts'

/** Custom event of a device group: the destination owns the devices from here on. */
export const AUTHORITY_TRANSFER = 0

/** What to send, and over which connection; the rest as in a migration within one process. */
export interface SendDiskOptions
  extends Omit<LiveMigrationOptions, 'destination' | 'order' | 'verify' | 'beforeRound'> {
  connection: Connection
  /** Name of the disk, as the other side sees it. */
  name: string
  /** Decides among blocks nobody waits for; those that the other side asks for go first. Default: lowest first. */
  order?: BlockOrder
}

/**
 * Sends a disk to the peer while it is being written. Blocks that somebody waits for over there go first; those that were written over there
 * are not sent. When it resolves, the peer has stored and flushed everything, has found the same root hash, and has been told that the
 * disk is its own; the source stays locked. The connection stays open.
 * @throws as `migrateLive`; `VERIFY_FAILED` when the roots differ; `PEER_LOST`. The source runs on then.
 */
export async function sendDisk(options: SendDiskOptions): Promise<LiveMigrationResult> {
  const { connection, source, name } = options
  const { rw, dialect } = connection
  const numBlocks = Math.ceil(source.size / source.blockSize)
  const order = new PriorityBlockOrder(options.order ?? new AnyBlockOrder(numBlocks))
  if (order.available === 0) order.addAll()
  const forEachBlock = (offset: number, length: number, visit: (block: number) => void) => {
    const end = Math.min(numBlocks, Math.ceil((offset + length) / source.blockSize))
    for (let block = Math.floor(offset / source.blockSize); block < end; block++) visit(block)
  }
  const dev = 1
  const schema = dialect === 'silo' ? siloSchema({ name, size: source.size, blockSize: source.blockSize }) : ''
  const to = new ToProtocol(rw, {
    dev,
    size: source.size,
    blockSize: source.blockSize,
    name,
    schema,
    needAt: (offset, length) => forEachBlock(offset, length, (block) => order.prioritise(block)),
    // Not before the hand-over: until then the disk is written here, and nowhere else.
    dontNeedAt: () => {},
    reader: source,
  })
  if (dialect === 'silo')
    await announceGroup(connection, { dev, name, schema, size: source.size, blockSize: source.blockSize })
  else await to.announce()
  // A peer that goes away ends the migration at once, also while nothing is being sent.
  const ended = new AbortController()
  void rw.ended.then((reason) => ended.abort(reason ?? new StorageError('PEER_LOST')))
  const signal = options.signal ? AbortSignal.any([options.signal, ended.signal]) : ended.signal
  try {
    return await migrateLive({
      ...options,
      destination: to,
      order,
      signal,
      verify: dialect === 'silo' ? 'none' : 'root',
      beforeRound: (dirty) => to.dirtyList(dirty),
      handOver: async ({ root, missingBlocks }) => {
        if (root) await compareRoots(to, root)
        await options.handOver?.({ root, missingBlocks })
        if (dialect === 'silo') {
          const payload = new Uint8Array(0)
          const transfer = { kind: 'event', type: 'custom', customType: AUTHORITY_TRANSFER, payload } as const
          await rw.request(CONTROL_DEVICE, transfer, { urgent: true })
        }
        await to.event({ kind: 'event', type: 'completed' })
      },
    })
  } catch (error) {
    if (errorCode(error) === 'ABORTED' && ended.signal.aborted && !options.signal?.aborted) throw ended.signal.reason
    throw error
  }
}

async function compareRoots(to: ToProtocol, root: Uint8Array): Promise<void> {
  const theirs = digestText(await to.root(root))
  const ours = digestText(root)
  if (theirs !== ours) {
    throw new StorageError('VERIFY_FAILED', `The other side has the root hash ${theirs}, sent was ${ours}.`)
  }
}

/** A Go device group wants all devices named at once, and an answer to an empty you-already-have before the first block. */
async function announceGroup(
  { rw }: Connection,
  device: { dev: number; name: string; schema: string; size: number; blockSize: number },
): Promise<void> {
  const { dev, blockSize } = device
  await rw.post(
    CONTROL_DEVICE,
    { kind: 'device-group-info', devices: [{ kind: 'dev-info', ...device }] },
    { urgent: true },
  )
  const nothing = { kind: 'write-at', form: 'you-already-have', blockSize, blocks: new Uint32Array(0) } as const
  await rw.request(dev, nothing, { urgent: true })
}
