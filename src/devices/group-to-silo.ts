import { throwIfAborted } from '../async/abort.ts'
import { StorageError } from '../errors/storage-error.ts'
import { AnyBlockOrder } from '../orders/any-block-order.ts'
import { PriorityBlockOrder } from '../orders/priority-block-order.ts'
import type { Connection } from '../protocol/connection.ts'
import { lastWord } from '../protocol/last-word.ts'
import { ToProtocol } from '../protocol/to-protocol.ts'
import type { GroupMessages } from './group-messages.ts'
import { type GroupDisk, memberOptions, type SendGroupOptions } from './group-options.ts'
import type { GroupRun } from './group-run.ts'
import { OrderedDestination } from './ordered-destination.ts'
import type { SentDisk } from './send-options.ts'
import { siloSchema } from './silo-schema.ts'

/** What is sent to a Go device group. */
export interface SiloGroup {
  readonly disks: readonly GroupDisk[]
  readonly messages: GroupMessages
  readonly run: GroupRun
  readonly options: SendGroupOptions
}

/**
 * As Silo does it: all devices named in one packet, dirty lists for each, one event that transfers the authority over all, and then for each that it is
 * complete. No journals: from the first word that transfers the authority on the sources stay locked, whatever happens.
 * @throws StorageError `IN_DOUBT` when the peer fell silent or was aborted over one of these words
 */
export async function sendGroupToSilo({ disks, messages, run, options }: SiloGroup): Promise<readonly SentDisk[]> {
  const { connection, signal } = options
  const { rw, laneCount } = connection
  const sizes = disks.map(({ source }) => source.size)
  const devices = disks.map(({ name, source }, index) => {
    const device = { dev: index + 1, name, size: source.size, blockSize: source.blockSize }
    return { ...device, schema: siloSchema(device) }
  })
  const members = disks.map(({ source, order: inner }, index) => {
    const { blockSize } = source
    const order = new PriorityBlockOrder(inner ?? new AnyBlockOrder(Math.ceil(source.size / blockSize)))
    // Before the first request for a block can come: one that is not in it is not heard.
    order.addAll()
    const to = new ToProtocol(rw, {
      ...devices[index]!,
      needAt: (offset, length) => {
        const end = Math.min(order.numBlocks, Math.ceil((offset + length) / blockSize))
        for (let block = Math.floor(offset / blockSize); block < end; block++) order.prioritise(block)
      },
      // Not before the hand-over: until then the disk is written here, and nowhere else.
      dontNeedAt: () => {},
      reader: source,
      ...(signal ? { signal } : {}),
    })
    return { source, order, destination: new OrderedDestination(to, laneCount) }
  })
  const infos = devices.map((device) => ({ kind: 'dev-info', ...device }) as const)
  await messages.announce({ kind: 'device-group-info', devices: infos }, signal)
  // A Go device group wants an answer to an empty you-already-have before the first block.
  await Promise.all(devices.map((device) => nothingThere(connection, device, signal)))
  // A peer that goes away ends the migration at once, also while nothing is being sent.
  void rw.ended.then((reason) => run.leave(reason ?? new StorageError('PEER_LOST')))
  return Promise.all(
    members.map(async ({ source, order, destination }, index) => {
      const live = await run.join(index, {
        ...memberOptions(options, sizes, index),
        source,
        destination,
        order,
        beforeRound: (dirty) => destination.dirtyList(dirty),
        handOver: async (context) => {
          await run.agree(index, context)
          await say(() => complete(connection, devices[index]!.dev), options)
        },
      })
      return { ...live, acknowledged: true }
    }),
  )
}

/** Gives all devices away at once, as the decision of their group. @throws StorageError `IN_DOUBT`: the peer may have heard it, and nobody writes here any more */
export async function transferAuthority({ messages, run, options }: Omit<SiloGroup, 'disks'>): Promise<void> {
  throwIfAborted(options.signal)
  if (run.failure) throw run.failure.error
  try {
    await say(() => messages.transferAuthority(), options)
  } catch (error) {
    run.isInDoubt = true
    throw error
  }
}

async function say(word: () => Promise<void>, { connection, signal }: SendGroupOptions): Promise<void> {
  try {
    await lastWord(word, { signal, clock: connection.rw.clock })
  } catch (cause) {
    throw new StorageError('IN_DOUBT', 'The other side did not say whether it owns the disks.', { cause })
  }
}

async function complete({ rw }: Connection, dev: number): Promise<void> {
  const answer = await rw.request(dev, { kind: 'event', type: 'completed' }, { urgent: true })
  if (answer.kind !== 'event-response') throw new StorageError('MALFORMED', `The peer answered with a ${answer.kind}.`)
}

async function nothingThere(
  { rw }: Connection,
  { dev, blockSize }: { dev: number; blockSize: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const nothing = { kind: 'write-at', form: 'you-already-have', blockSize, blocks: new Uint32Array(0) } as const
  await rw.request(dev, nothing, { urgent: true, ...(signal ? { signal } : {}) })
}
