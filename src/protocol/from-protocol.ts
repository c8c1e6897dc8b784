import { type ErrorContext, errorCode, StorageError } from '../errors/storage-error.ts'
import type { StorageProvider } from '../storage/provider.ts'
import type { ArrivingDevice, DeviceFactory } from './arriving-device.ts'
import { ArrivingWrites } from './arriving-writes.ts'
import { BlockGenerations } from './block-generations.ts'
import { answerHandOver } from './hand-over-requests.ts'
import { NEED_AT_BLOCKS, NEED_AT_PIECES, READ_BYTES } from './limits.ts'
import type { DevInfo } from './packets/dev-info.ts'
import type { Event } from './packets/event.ts'
import { expandWrite } from './packets/expand-write.ts'
import type { Packet } from './packets/packet.ts'
import type { WriteAt, WriteAtBytes } from './packets/write-at.ts'
import { TAG_BYTES, type WriteChecked } from './packets/write-checked.ts'
import type { WritePatch } from './packets/write-patch.ts'
import { cutPatch } from './patched-blocks.ts'
import { failureOf } from './peer-error.ts'
import type { ProtocolRW, SendOptions } from './protocol-rw.ts'
import { WriteAcks } from './write-acks.ts'

/**
 * Serves one device to the peer that sends it: writes, dirty lists, events, hashes and reads, in the order they may be done. Requests that
 * come before the device is set up wait for it.
 */
export class FromProtocol {
  /** Resolves with what the peer announced, once there is a place for it. */
  readonly announced: Promise<DevInfo>
  readonly #rw: ProtocolRW
  readonly #dev: number
  readonly #create: DeviceFactory
  #device: Promise<ArrivingDevice>
  #announce!: (info: DevInfo) => void
  #info: DevInfo | undefined
  readonly #generations = new BlockGenerations()
  readonly #writes = new ArrivingWrites(this.#generations)
  readonly #acks: WriteAcks
  /** The source has said that it is done; what it writes after that is not for it to write. */
  #isCompleted = false

  constructor(rw: ProtocolRW, dev: number, create: DeviceFactory) {
    this.#rw = rw
    this.#dev = dev
    this.#create = create
    const info = new Promise<DevInfo>((resolve) => {
      this.#announce = resolve
    })
    const ended = rw.ended.then((reason): never => {
      throw reason ?? new StorageError('PEER_LOST', 'The peer closed the connection before it announced the disk.')
    })
    this.#device = Promise.race([info, ended]).then((info) => this.#place(info))
    this.announced = this.#device.then(() => info)
    this.announced.catch(() => {}) // Whoever waits for it hears of it.
    this.#acks = new WriteAcks(rw.clock, (ranges) => this.#tell({ kind: 'acks', ranges }, { urgent: false }))
    rw.handle(dev, (packet, id) => this.#serve(packet, id))
  }

  /** Takes what a device group said of this device, where the peer announces all its devices at once. */
  announce(info: DevInfo): void {
    if (this.#info) throw new StorageError('MALFORMED', 'The peer announced the same disk twice.')
    this.#info = info
    this.#announce(info)
  }

  /** Asks for a range before its turn. */
  needAt(offset: number, length: number): void {
    this.#advise('need-at', offset, length)
  }

  /** Says that a range is not wanted any more. */
  dontNeedAt(offset: number, length: number): void {
    this.#advise('dont-need-at', offset, length)
  }

  /** In pieces of whole blocks: a length has 31 bits, and a source looks at so many blocks of one request. */
  #advise(kind: 'need-at' | 'dont-need-at', offset: number, length: number): void {
    const { blockSize } = this.#info!
    const most = 2 ** 31 - 1
    const step = Math.min(NEED_AT_BLOCKS, Math.floor(most / blockSize)) * blockSize || most
    const end = Math.min(offset + length, offset + NEED_AT_PIECES * step)
    for (let from = offset; from < end; from += step) {
      this.#tell({ kind, offset: from, length: Math.min(step, end - from) }, { urgent: true })
    }
  }

  async #place(info: DevInfo): Promise<ArrivingDevice> {
    const device = await this.#create(info)
    if (device.provider.size === info.size) return device
    const context = { announced: info.size, size: device.provider.size }
    throw new StorageError('SIZE_MISMATCH', undefined, { context })
  }

  #tell(packet: Packet, options: SendOptions): void {
    // A connection that has ended says so to everybody who waits.
    this.#rw.post(this.#dev, packet, options).catch(() => {})
  }

  #serve(packet: Packet, id: number): Promise<void> | void {
    if (this.#isCompleted && CHANGING.has(packet.kind)) {
      throw new StorageError('MALFORMED', `The peer sent a ${packet.kind} after it had handed the disk over.`)
    }
    switch (packet.kind) {
      case 'dev-info':
        this.announce(packet)
        // A place that cannot be made ends the connection with the reason.
        return this.#device.then(() => {})
      case 'write-at':
        return this.#answered(packet, id, (device) => this.#write(device, packet, { id, generation: 0 }))
      case 'write-newer':
        return this.#answered(packet, id, (device) => {
          const { generation, write } = packet
          return this.#write(device, write, { id, generation })
        })
      case 'write-checked':
        return this.#answered(packet, id, async (device) => {
          await this.#storeChecked(device, packet)
          this.#acks.add(id, packet.data.length)
          return undefined
        })
      case 'write-patch':
        return this.#answered(packet, id, async (device) => {
          await this.#storePatched(device, packet)
          this.#acks.add(id, packet.data.length)
          return undefined
        })
      case 'write-at-with-map':
        return this.#answered(packet, id, async ({ provider }) => {
          await this.#store(provider, packet, 0)
          return { kind: 'write-at-response', bytes: packet.data.length }
        })
      case 'read-at':
        return this.#answered(packet, id, (device) => this.#read(device, packet.offset, packet.length))
      case 'dirty-list':
        return this.#answered(packet, id, (device) => this.#invalidate(device, packet.blockSize, packet.blocks))
      case 'event':
        return this.#answered(packet, id, async (device) => {
          await this.#event(device, packet)
          return { kind: 'event-response' }
        })
      case 'hashes':
        return this.#answered(packet, id, async (device) => {
          await device.hashes?.(packet.blocks, packet.digests)
          return { kind: 'hashes-response' }
        })
      case 'flush':
        return this.#answered(packet, id, async ({ provider }) => {
          await provider.flush()
          return { kind: 'flush-response' }
        })
      case 'root':
        return this.#answered(packet, id, async (device) => {
          if (!device.root) throw new StorageError('NOT_SUPPORTED', 'No root hash is kept here.')
          return { kind: 'root-response', digest: await device.root(packet.blockSize, packet.digest) }
        })
      case 'begin':
      case 'read-digests':
      case 'keep':
      case 'prepare':
      case 'commit':
      case 'cancel':
      case 'complete':
        return this.#answered(packet, id, ({ handOver }) => answerHandOver(handOver, packet))
      case 'read-by-hash':
        return this.#answered(packet, id, async () => ({
          kind: 'read-by-hash-response-error',
          error: 'block not found',
        }))
      case 'remove-dev':
      case 'remove-from-map':
      case 'alternate-sources':
        // Told for the sake of peers that keep maps or fetch from elsewhere; nothing of ours depends on them.
        return
      default:
        throw new StorageError('MALFORMED', `The peer sent a ${packet.kind} to the side that receives the disk.`)
    }
  }

  /** Does a request once the device is there and answers it; a failure is an answer too, where the dialect has one. */
  async #answered(
    { kind }: Packet,
    id: number,
    work: (device: ArrivingDevice) => Promise<Packet | undefined>,
  ): Promise<void> {
    const device = await this.#device
    let answer: Packet | undefined
    try {
      answer = await work(device)
    } catch (error) {
      answer = this.#failure(error, kind)
    }
    // The peer may have gone meanwhile, or been cut off for its fault; then nobody waits for the answer.
    if (answer) await this.#rw.respond(this.#dev, id, answer).catch(() => {})
  }

  /** The peer broke the rules, whatever a storage would say to it: that ends the connection. Returns the error, to be thrown. */
  #fault(error: unknown): unknown {
    this.#rw.fail(error)
    return error
  }

  #malformed(message: string, context: ErrorContext = {}): unknown {
    return this.#fault(new StorageError('MALFORMED', message, { context }))
  }

  #failure(error: unknown, kind: Packet['kind']): Packet {
    if (this.#rw.dialect !== 'silo') return { kind: 'failure-response', ...failureOf(error) }
    if (kind === 'read-at') return { kind: 'read-at-response-error' }
    if (kind === 'write-at' || kind === 'write-at-with-map') return { kind: 'write-at-response-error' }
    // Silo has no way to say that anything else failed.
    throw error
  }

  async #write(
    { provider, available }: ArrivingDevice,
    packet: WriteAt,
    { id, generation }: { id: number; generation: number },
  ): Promise<Packet | undefined> {
    if (packet.form === 'you-already-have') {
      for (const block of packet.blocks) {
        const offset = block * packet.blockSize
        if (offset >= provider.size) throw this.#malformed('The peer names blocks past the end of the disk.')
        available?.(offset, Math.min(packet.blockSize, provider.size - offset))
      }
      return { kind: 'write-at-response', bytes: (packet.blocks.length * packet.blockSize) % 2 ** 32 }
    }
    if (packet.form === 'hash') throw new StorageError('NOT_SUPPORTED', 'Blocks are not fetched from elsewhere here.')
    let { length } = packet as { length?: number }
    if (packet.form === 'zeroes' && packet.segments.length === 0) {
      await this.#zero(provider, packet, generation)
    } else {
      const data = await this.#expand(packet)
      length = data.length
      await this.#store(provider, { offset: packet.offset, data }, generation)
    }
    if (this.#rw.dialect === 'silo') return { kind: 'write-at-response', bytes: length! % 2 ** 32 }
    this.#acks.add(id, length!)
    return undefined
  }

  async #expand(packet: WriteAtBytes): Promise<Uint8Array> {
    try {
      return await expandWrite(packet)
    } catch (error) {
      const code = errorCode(error)
      throw code === 'MALFORMED' || code === 'LIMIT_EXCEEDED' ? this.#fault(error) : error
    }
  }

  #store(
    provider: StorageProvider,
    { offset, data }: { offset: number; data: Uint8Array },
    generation: number,
  ): Promise<void> {
    return this.#arrive(provider, { offset, length: data.length, generation }, async (from, to) => {
      await writeAll(provider, data.subarray(from - offset, to - offset), from)
    })
  }

  async #storeChecked({ provider, writeChecked }: ArrivingDevice, packet: WriteChecked): Promise<void> {
    const { generation, offset, tags, data } = packet
    const { blockSize } = this.#info!
    const end = offset + data.length
    const isWhole = offset % blockSize === 0 && (data.length % blockSize === 0 || end === provider.size)
    if (!isWhole || tags.length !== Math.ceil(data.length / blockSize) * TAG_BYTES) {
      throw this.#malformed('The peer checks something other than blocks.', { offset })
    }
    await this.#arrive(provider, { offset, length: data.length, generation }, async (from, to) => {
      const part = data.subarray(from - offset, to - offset)
      const first = ((from - offset) / blockSize) * TAG_BYTES
      const count = Math.ceil(part.length / blockSize)
      if (!writeChecked) await writeAll(provider, part, from)
      else
        checkCount(await writeChecked(part, from, tags.subarray(first, first + count * TAG_BYTES)), from, part.length)
    })
  }

  async #storePatched({ provider, writePatched }: ArrivingDevice, packet: WritePatch): Promise<void> {
    if (!writePatched) throw new StorageError('NOT_SUPPORTED', 'Blocks are not patched here.')
    const { blockSize } = this.#info!
    let patch: ReturnType<typeof cutPatch>
    try {
      patch = cutPatch(packet, { blockSize, size: provider.size })
    } catch (error) {
      throw this.#fault(error)
    }
    const { offset, length } = patch
    await this.#arrive(provider, { offset, length, generation: packet.generation }, (from, to) =>
      writePatched(patch.part(from, to)),
    )
  }

  #zero(
    provider: StorageProvider,
    { offset, length }: { offset: number; length: number },
    generation: number,
  ): Promise<void> {
    return this.#arrive(provider, { offset, length, generation }, async (from, to) => {
      if (provider.zeroAt) {
        checkCount(await provider.zeroAt(from, to - from), from, to - from)
        return
      }
      const zeroes = new Uint8Array(Math.min(to - from, READ_BYTES))
      for (let at = from; at < to; at += zeroes.length) {
        await writeAll(provider, zeroes.subarray(0, Math.min(zeroes.length, to - at)), at)
      }
    })
  }

  /** Lets `store` have the bytes of a write that nothing newer forbids, in turn with other writes to the same blocks. */
  async #arrive(
    provider: StorageProvider,
    { offset, length, generation }: { offset: number; length: number; generation: number },
    store: (from: number, to: number) => Promise<void>,
  ): Promise<void> {
    const stop = offset + length
    if (stop > provider.size) throw this.#malformed('The peer writes past the end of the disk.', { offset })
    if (length === 0) return
    const { blockSize } = this.#info!
    const blocks = { start: Math.floor(offset / blockSize), end: Math.ceil(stop / blockSize), generation }
    let isStoring = false
    try {
      await this.#writes.write(blocks, (start, end) => {
        isStoring = true
        return store(Math.max(offset, start * blockSize), Math.min(stop, end * blockSize))
      })
    } catch (error) {
      // Before that, only the generation can be wrong.
      throw isStoring ? error : this.#fault(error)
    }
  }

  async #read({ provider }: ArrivingDevice, offset: number, length: number): Promise<Packet> {
    if (length > READ_BYTES) throw new StorageError('LIMIT_EXCEEDED', `Reads are at most ${READ_BYTES} bytes.`)
    const data = new Uint8Array(length)
    return { kind: 'read-at-response', bytes: await provider.readAt(data, offset), data }
  }

  async #event(device: ArrivingDevice, event: Event): Promise<void> {
    // At once, so that nothing slips in while the device deals with it.
    this.#isCompleted = event.type === 'completed'
    try {
      await device.event?.(event)
    } catch (error) {
      this.#isCompleted = false
      throw error
    }
  }

  async #invalidate(device: ArrivingDevice, blockSize: number, blocks: Uint32Array): Promise<Packet> {
    if (blockSize !== this.#info?.blockSize) throw this.#malformed('The peer changed the block size.')
    const end = Math.ceil(device.provider.size / blockSize)
    if (blocks.some((block) => block >= end)) throw this.#malformed('The peer names blocks past the end of the disk.')
    // Writes of Silo say nothing of generations: there a source waits for all answers, and for this one, before it sends anew.
    if (this.#rw.dialect !== 'silo') this.#generations.raise(blocks)
    await device.invalidate?.(blocks)
    return { kind: 'dirty-list-response' }
  }
}

/** What changes a disk, or hands it over. */
const CHANGING: ReadonlySet<Packet['kind']> = new Set([
  'write-at',
  'write-newer',
  'write-checked',
  'write-patch',
  'write-at-with-map',
  'dirty-list',
  'event',
  'root',
])

async function writeAll(provider: StorageProvider, data: Uint8Array, offset: number): Promise<void> {
  checkCount(await provider.writeAt(data, offset), offset, data.length)
}

function checkCount(got: number, offset: number, expected: number): void {
  if (got !== expected) throw new StorageError('SHORT_WRITE', undefined, { context: { offset, expected, got } })
}
