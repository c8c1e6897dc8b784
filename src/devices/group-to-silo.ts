import { StorageError } from '../errors/storage-error.ts'
import { AnyBlockOrder } from '../orders/any-block-order.ts'
import { PriorityBlockOrder } from '../orders/priority-block-order.ts'
import type { Connection } from '../protocol/connection.ts'
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
 * complete. No journals: once the authority was transferred the sources stay locked, whatever happens.
 */
export async function sendGroupToSilo({ disks, messages, run, options }: SiloGroup): Promise<readonly SentDisk[]> {
  const { rw, laneCount } = options.connection
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
    })
    return { source, order, to, destination: new OrderedDestination(to, laneCount) }
  })
  await messages.announce({
    kind: 'device-group-info',
    devices: devices.map((device) => ({ kind: 'dev-info', ...device })),
  })
  // A Go device group wants an answer to an empty you-already-have before the first block.
  await Promise.all(devices.map(({ dev, blockSize }) => nothingThere(options.connection, dev, blockSize)))
  // A peer that goes away ends the migration at once, also while nothing is being sent.
  void rw.ended.then((reason) => run.leave(reason ?? new StorageError('PEER_LOST')))
  return Promise.all(
    members.map(async ({ source, order, to, destination }, index) => {
      const live = await run.join(index, {
        ...memberOptions(options, sizes, index),
        source,
        destination,
        order,
        beforeRound: (dirty) => destination.dirtyList(dirty),
        handOver: async (context) => {
          await run.agree(index, context)
          await to.event({ kind: 'event', type: 'completed' })
        },
      })
      return { ...live, acknowledged: true }
    }),
  )
}

async function nothingThere({ rw }: Connection, dev: number, blockSize: number): Promise<void> {
  const nothing = { kind: 'write-at', form: 'you-already-have', blockSize, blocks: new Uint32Array(0) } as const
  await rw.request(dev, nothing, { urgent: true })
}
