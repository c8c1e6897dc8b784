import { throwIfAborted } from '../async/abort.ts'
import { errorCode, StorageError } from '../errors/storage-error.ts'
import { migrateLive } from '../migration/migrate-live.ts'
import { AnyBlockOrder } from '../orders/any-block-order.ts'
import { PriorityBlockOrder } from '../orders/priority-block-order.ts'
import { CONTROL_DEVICE, type Connection } from '../protocol/connection.ts'
import { lastWord } from '../protocol/last-word.ts'
import type { Event } from '../protocol/packets/event.ts'
import { ToProtocol } from '../protocol/to-protocol.ts'
import { OrderedDestination } from './ordered-destination.ts'
import type { SendDiskOptions, SentDisk } from './send-options.ts'
import { SendingDisk } from './sending-disk.ts'
import { siloSchema } from './silo-schema.ts'

export type { SendDiskOptions, SentDisk } from './send-options.ts'

/** Custom event of a device group: the destination owns the devices from here on. */
export const AUTHORITY_TRANSFER = 0

/**
 * Sends a disk to the peer while it is being written. Blocks that somebody waits for over there go first; those that were written over there
 * are not sent. When it resolves the disk has been given away: the peer had stored and flushed everything and found the same root hash, and the
 * source stays locked. The connection stays open. To go on after a loss use `SendingDisk`, or a journal.
 * @throws as `migrateLive`; `VERIFY_FAILED` when the roots differ; `PEER_LOST`. The source runs on then. `IN_DOUBT` when it could not be stored whether the
 * disk was given away, or, in dialect `silo`, when the peer fell silent or was aborted over the last word: the source stays locked.
 */
export async function sendDisk(options: SendDiskOptions): Promise<SentDisk> {
  const { journal, randomId, source, ...rest } = options
  if (options.connection.dialect === 'silo') return sendToSilo(options)
  const disk = await SendingDisk.open({ source, ...(journal ? { journal } : {}), ...(randomId ? { randomId } : {}) })
  return disk.send(rest)
}

/** One connection, no hashes, an event as the last word: if it is lost with the answer, nobody can tell who owns the disk. */
async function sendToSilo(options: SendDiskOptions): Promise<SentDisk> {
  const { connection, source, name } = options
  const { rw } = connection
  const numBlocks = Math.ceil(source.size / source.blockSize)
  const order = new PriorityBlockOrder(options.order ?? new AnyBlockOrder(numBlocks))
  // The disk begins empty over there, whatever an attempt before has left in the caller's order.
  order.addAll()
  const dev = 1
  const device = { dev, name, size: source.size, blockSize: source.blockSize }
  const schema = siloSchema(device)
  // A peer that goes away ends the migration at once, also while nothing is being sent.
  const ended = new AbortController()
  void rw.ended.then((reason) => ended.abort(reason ?? new StorageError('PEER_LOST')))
  const signal = options.signal ? AbortSignal.any([options.signal, ended.signal]) : ended.signal
  const to = new ToProtocol(rw, {
    ...device,
    schema,
    needAt: (offset, length) => {
      const end = Math.min(numBlocks, Math.ceil((offset + length) / source.blockSize))
      for (let block = Math.floor(offset / source.blockSize); block < end; block++) order.prioritise(block)
    },
    // Not before the hand-over: until then the disk is written here, and nowhere else.
    dontNeedAt: () => {},
    reader: source,
    signal,
  })
  const destination = new OrderedDestination(to, connection.laneCount)
  let doubt: StorageError | undefined
  try {
    await announceGroup(connection, { ...device, schema }, signal)
    const live = await migrateLive({
      ...options,
      destination,
      order,
      signal,
      verify: 'none',
      beforeRound: (dirty) => destination.dirtyList(dirty),
      handOver: async (context) => {
        await options.handOver?.(context)
        throwIfAborted(signal)
        try {
          await lastWord(() => giveAway(connection, dev), { signal, clock: rw.clock })
        } catch (cause) {
          // The peer may have heard it: whatever went wrong, nobody writes here any more.
          doubt = new StorageError('IN_DOUBT', 'The other side did not say whether it owns the disk.', { cause })
        }
        return { released: true }
      },
    })
    if (doubt) throw doubt
    return { ...live, acknowledged: true }
  } catch (error) {
    if (errorCode(error) === 'ABORTED' && ended.signal.aborted && !options.signal?.aborted) throw ended.signal.reason
    throw error
  }
}

/** From the first of these on the peer may own the disk. */
async function giveAway({ rw }: Connection, dev: number): Promise<void> {
  const tell = async (device: number, event: Event) => {
    const answer = await rw.request(device, event, { urgent: true })
    if (answer.kind !== 'event-response')
      throw new StorageError('MALFORMED', `The peer answered with a ${answer.kind}.`)
  }
  const payload = new Uint8Array(0)
  await tell(CONTROL_DEVICE, { kind: 'event', type: 'custom', customType: AUTHORITY_TRANSFER, payload })
  await tell(dev, { kind: 'event', type: 'completed' })
}

/** A Go device group wants all devices named at once, and an answer to an empty you-already-have before the first block. */
async function announceGroup(
  { rw }: Connection,
  device: { dev: number; name: string; schema: string; size: number; blockSize: number },
  signal: AbortSignal,
): Promise<void> {
  const { dev, blockSize } = device
  await rw.post(
    CONTROL_DEVICE,
    { kind: 'device-group-info', devices: [{ kind: 'dev-info', ...device }] },
    { urgent: true, signal },
  )
  const nothing = { kind: 'write-at', form: 'you-already-have', blockSize, blocks: new Uint32Array(0) } as const
  await rw.request(dev, nothing, { urgent: true, signal })
}
