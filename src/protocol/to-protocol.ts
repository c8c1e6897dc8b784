import type { Bitfield } from '../bitfield/bitfield.ts'
import { checkInteger } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import { DIGEST_BYTES } from '../storage/block-hasher.ts'
import type { BlockIoOptions, IoOptions, StorageProvider } from '../storage/provider.ts'
import { checkSize, clipLength } from '../storage/range.ts'
import {
  DIRTY_LIST_BLOCKS,
  NEED_AT_BLOCKS,
  NEEDED_BLOCKS,
  READ_BYTES,
  REQUEST_BYTES,
  SMALLEST_PAYLOAD_BYTES,
} from './limits.ts'
import type { Event } from './packets/event.ts'
import type { Packet } from './packets/packet.ts'
import type { DigestLevel, ReadDigests } from './packets/read-digests.ts'
import type { WriteAtBytes } from './packets/write-at.ts'
import { TAG_BYTES, tagsOf } from './packets/write-checked.ts'
import type { WritePatch } from './packets/write-patch.ts'
import { failureOf, peerError } from './peer-error.ts'
import type { ProtocolRW, SendOptions } from './protocol-rw.ts'

/** Longest head of a write of ours, without the tags of its blocks. */
const HEAD_BYTES = SMALLEST_PAYLOAD_BYTES % 2 ** 16

/** The device a {@link ToProtocol} stands for, and who hears what the peer asks of us. */
export interface RemoteDevice {
  /** Its number on the connection, from 1. */
  readonly dev: number
  /** Bytes. */
  readonly size: number
  readonly blockSize: number
  readonly name: string
  /** Text of one device in Silo's configuration language; Go device groups insist on it. Default: empty. */
  readonly schema?: string
  /** Whether the peer checks blocks as they arrive, `FEATURE.check`: then digests that come with a write travel beside it. Default: false. */
  readonly checks?: boolean
  /** The peer waits for this range: it should be sent next. */
  readonly needAt?: (offset: number, length: number) => void
  /** The peer has written this range itself: it need not be sent. */
  readonly dontNeedAt?: (offset: number, length: number) => void
  /** Serves reads of the peer; without it they are refused. */
  readonly reader?: StorageProvider
  /** What this side knows of its blocks, for a peer that asks; without it that is refused. */
  readonly digests?: (level: DigestLevel, first: number, count: number) => Uint8Array
  /** Ends every wait for the peer with `ABORTED`, but for those that have a signal of their own. */
  readonly signal?: AbortSignal
}

/**
 * A disk whose other end is at the peer: the destination of a migration over a connection, or any remote storage.
 *
 * A write resolves when the peer has stored it. Dialect `silo` has no flush: there, stored is all that can be known.
 */
export class ToProtocol implements StorageProvider {
  readonly size: number
  readonly #rw: ProtocolRW
  readonly #device: RemoteDevice
  /** Blocks that the peer waits for: they pass what else is being sent. */
  readonly #needed = new Set<number>()
  /** Dirty lists sent so far: writes from now on say that they are newer. */
  #generation = 0
  #isClosed = false

  constructor(rw: ProtocolRW, device: RemoteDevice) {
    checkInteger('dev', device.dev, 1)
    this.size = checkSize(device.size)
    this.#rw = rw
    this.#device = device
    rw.handle(device.dev, (packet, id) => this.#serve(packet, id))
  }

  /** What travels in one request: more at once would only wait here. */
  get preferredBytes(): number {
    return this.#rw.preferredBytes
  }

  /** Tells the peer what device is coming; first of all. @throws StorageError `INCOMPATIBLE` when it takes no block of this size */
  async announce(): Promise<void> {
    const { dev, size, blockSize, name, schema = '' } = this.#device
    if (blockSize > this.#largestData) {
      throw new StorageError('INCOMPATIBLE', `The peer takes at most ${this.#largestData} bytes at once.`)
    }
    await this.#rw.post(dev, { kind: 'dev-info', size, blockSize, name, schema }, this.#within({ urgent: true }))
  }

  async readAt(target: Uint8Array, offset: number, options: IoOptions = {}): Promise<number> {
    const length = this.#clip(offset, target.length)
    const pieces: Promise<void>[] = []
    for (let from = 0; from < length; from += READ_BYTES) {
      const piece = target.subarray(from, Math.min(length, from + READ_BYTES))
      pieces.push(this.#read(piece, offset + from, options))
    }
    await allSettled(pieces)
    return length
  }

  async writeAt(data: Uint8Array, offset: number, options: BlockIoOptions = {}): Promise<number> {
    const length = this.#clip(offset, data.length)
    const { blockSize } = this.#device
    // Whole blocks: a part of one makes nothing present at the peer.
    const most = Math.min(this.#rw.requestBytes / blockSize, this.#largestData / (blockSize + TAG_BYTES))
    const step = Math.max(1, Math.floor(most)) * blockSize
    if (length > 0 && length <= step) {
      await this.#writeData(length === data.length ? data : data.subarray(0, length), offset, options)
      return length
    }
    const pieces: Promise<void>[] = []
    const departs = options.departs && lastOf(Math.ceil(length / step), options.departs)
    for (let from = 0; from < length; from += step) {
      const piece = data.subarray(from, Math.min(length, from + step))
      const { digests } = options
      const first = (from / blockSize) * DIGEST_BYTES
      pieces.push(
        this.#writeData(piece, offset + from, {
          ...options,
          ...(departs ? { departs } : {}),
          ...(digests ? { digests: digests.subarray(first, first + (step / blockSize) * DIGEST_BYTES) } : {}),
        }),
      )
    }
    // All of them, also after a failure: the data is borrowed until the last piece has left.
    await allSettled(pieces)
    return length
  }

  /** Changes pieces of neighbouring blocks that the peer has an older copy of. @throws StorageError `DAMAGED` when it has another one than is meant */
  async patch(blocks: Omit<WritePatch, 'kind' | 'generation'>, length: number, options: IoOptions = {}): Promise<void> {
    const { signal, departs } = options
    const urgent = this.#isNeeded(blocks.offset, length)
    const packet = { kind: 'write-patch', generation: this.#generation, ...blocks } as const
    await this.#stored(packet, length, { urgent, ...(signal ? { signal } : {}), ...(departs ? { departs } : {}) })
  }

  async zeroAt(offset: number, length: number): Promise<number> {
    const clipped = this.#clip(offset, length)
    // Ours discards a range of any length; a Silo peer makes a buffer of it, and of a part of a block nothing is present there.
    const { blockSize } = this.#device
    const blocks = Math.max(1, Math.floor(REQUEST_BYTES / blockSize)) * blockSize
    const step = this.#rw.dialect === 'silo' ? blocks : Math.max(1, clipped)
    for (let from = 0; from < clipped; from += step) {
      const count = Math.min(step, clipped - from)
      const segments = new Uint8Array(0)
      const packet = { kind: 'write-at', form: 'zeroes', offset: offset + from, length: count, segments } as const
      await this.#write(packet, count, { urgent: this.#isNeeded(offset + from, count) })
    }
    return clipped
  }

  async flush(): Promise<void> {
    this.#clip(0, 0)
    if (this.#rw.dialect === 'silo') return
    await this.#ask({ kind: 'flush' }, 'flush-response', 'FLUSH_FAILED')
  }

  /** Ends this face; the connection and what else it carries go on. */
  async close(): Promise<void> {
    this.#isClosed = true
  }

  /** The peer drops what is older by itself. */
  cancelWrites(): void {}

  /**
   * Tells the peer that its copies of these blocks are void; resolves when it knows. The field is only looked at before this returns. Writes called
   * from now on are newer than those called before, whichever arrives first.
   */
  async dirtyList(blocks: Bitfield): Promise<void> {
    const { blockSize } = this.#device
    const numbers = new Uint32Array(blocks.count())
    blocks.collect(numbers)
    const told: Promise<unknown>[] = []
    let from = 0
    do {
      const list = numbers.subarray(from, from + DIRTY_LIST_BLOCKS)
      this.#generation++
      const packet = { kind: 'dirty-list', blockSize, blocks: list } as const
      told.push(this.#ask(packet, 'dirty-list-response', 'WRITE_FAILED', { urgent: true }))
      from += DIRTY_LIST_BLOCKS
    } while (from < numbers.length)
    await Promise.all(told)
  }

  /** Tells the peer of a step; resolves when it has dealt with it. */
  async event(event: Event): Promise<void> {
    await this.#ask(event, 'event-response', 'WRITE_FAILED', { urgent: true })
  }

  /** The root hash at the peer. Not in dialect `silo`. */
  async root(digest: Uint8Array): Promise<Uint8Array> {
    const packet = { kind: 'root', blockSize: this.#device.blockSize, digest } as const
    const answer = await this.#ask(packet, 'root-response', 'VERIFY_FAILED')
    return answer.digest
  }

  /** Of more than can be urgent, the newest count: the oldest were sent meanwhile, or nobody waits for them any more. */
  #need(offset: number, length: number): void {
    const { blockSize } = this.#device
    const end = Math.ceil((offset + length) / blockSize)
    for (let block = Math.floor(offset / blockSize); block < end; block++) this.#needed.add(block)
    for (const block of this.#needed) {
      if (this.#needed.size <= NEEDED_BLOCKS) return
      this.#needed.delete(block)
    }
  }

  /** Whether the peer waits for a block of this range; it does so only once. */
  #isNeeded(offset: number, length: number): boolean {
    if (this.#needed.size === 0) return false
    const { blockSize } = this.#device
    if (length / blockSize > this.#needed.size)
      return this.#areNeeded(offset / blockSize, (offset + length) / blockSize)
    let needed = false
    const end = Math.ceil((offset + length) / blockSize)
    for (let block = Math.floor(offset / blockSize); block < end; block++) needed = this.#needed.delete(block) || needed
    return needed
  }

  /** As above, for a range longer than the list. */
  #areNeeded(start: number, end: number): boolean {
    let needed = false
    for (const block of this.#needed) {
      if (block < Math.floor(start) || block >= end) continue
      this.#needed.delete(block)
      needed = true
    }
    return needed
  }

  /** Bytes of a write that the peer takes. */
  get #largestData(): number {
    return this.#rw.largestPayloadBytes - HEAD_BYTES
  }

  async #read(target: Uint8Array, offset: number, options: IoOptions): Promise<void> {
    const answer = await this.#ask(
      { kind: 'read-at', offset, length: target.length },
      'read-at-response',
      'READ_FAILED',
      options,
    )
    if (answer.bytes !== target.length) {
      throw new StorageError('SHORT_READ', undefined, {
        context: { offset, expected: target.length, got: answer.bytes },
      })
    }
    target.set(answer.data.subarray(0, answer.bytes))
  }

  #writeData(data: Uint8Array, offset: number, { signal, departs, digests }: BlockIoOptions): Promise<void> {
    const options: SendOptions = { urgent: this.#isNeeded(offset, data.length) }
    if (signal) options.signal = signal
    if (departs) options.departs = departs
    if (digests && this.#device.checks) {
      const tags = tagsOf(digests)
      const packet = { kind: 'write-checked', generation: this.#generation, offset, tags, data } as const
      return this.#stored(packet, data.length, options)
    }
    return this.#write({ kind: 'write-at', form: 'data', offset, data }, data.length, options)
  }

  #write(write: WriteAtBytes, length: number, options: SendOptions): Promise<void> {
    const isNewer = this.#generation > 0 && this.#rw.dialect !== 'silo'
    const packet: Packet = isNewer ? { kind: 'write-newer', generation: this.#generation, write } : write
    return this.#stored(packet, length, options)
  }

  async #stored(packet: Packet, length: number, options: SendOptions): Promise<void> {
    const answer = await this.#answer(packet, 'WRITE_FAILED', options)
    if (answer.kind === 'acks') return
    // The count has 32 bits on the wire.
    if (answer.kind === 'write-at-response' && answer.bytes === length % 2 ** 32) return
    if (answer.kind !== 'write-at-response') throw this.#unexpected(answer)
    throw new StorageError('SHORT_WRITE', undefined, { context: { expected: length, got: answer.bytes } })
  }

  async #ask<Kind extends Packet['kind']>(
    packet: Packet,
    kind: Kind,
    code: 'READ_FAILED' | 'WRITE_FAILED' | 'FLUSH_FAILED' | 'VERIFY_FAILED',
    options: SendOptions = {},
  ): Promise<Extract<Packet, { kind: Kind }>> {
    const answer = await this.#answer(packet, code, options)
    if (answer.kind !== kind) throw this.#unexpected(answer)
    return answer as Extract<Packet, { kind: Kind }>
  }

  async #answer(
    packet: Packet,
    code: 'READ_FAILED' | 'WRITE_FAILED' | 'FLUSH_FAILED' | 'VERIFY_FAILED',
    options: SendOptions,
  ): Promise<Packet> {
    const answer = await this.#rw.request(this.#device.dev, packet, this.#within(options))
    if (answer.kind === 'failure-response') throw peerError(answer, code)
    if (answer.kind === 'read-at-response-error' || answer.kind === 'write-at-response-error') {
      throw new StorageError(code, 'The peer could not do it; its dialect has no room for the reason.')
    }
    return answer
  }

  /** Who answers something else has lost count, or lies: that ends the connection. Returns the error, to be thrown. */
  #unexpected(answer: Packet): StorageError {
    const error = new StorageError('MALFORMED', `The peer answered with a ${answer.kind}.`)
    this.#rw.fail(error)
    return error
  }

  #within(options: SendOptions): SendOptions {
    const { signal } = this.#device
    return signal && !options.signal ? { ...options, signal } : options
  }

  /** What the destination asks of us. */
  #serve(packet: Packet, id: number): Promise<void> | void {
    const { needAt, dontNeedAt, size, blockSize } = this.#device
    if (packet.kind === 'need-at' || packet.kind === 'dont-need-at') {
      if (packet.offset >= size)
        throw new StorageError('MALFORMED', 'The peer asks for bytes past the end of the disk.')
      const length = Math.min(packet.length, size - packet.offset, NEED_AT_BLOCKS * blockSize)
      if (packet.kind === 'dont-need-at') {
        this.#isNeeded(packet.offset, length)
        dontNeedAt?.(packet.offset, length)
      } else {
        this.#need(packet.offset, length)
        this.#rw.hurry()
        needAt?.(packet.offset, length)
      }
      return
    }
    if (packet.kind === 'read-at') return this.#serveRead(packet.offset, packet.length, id)
    if (packet.kind === 'read-digests') return this.#serveDigests(packet, id)
    throw new StorageError('MALFORMED', `The peer sent a ${packet.kind} to the side that sends the disk.`)
  }

  async #serveRead(offset: number, length: number, id: number): Promise<void> {
    const { dev, reader } = this.#device
    try {
      if (!reader) throw new StorageError('NOT_SUPPORTED', 'This disk is not to be read from here.')
      if (length > READ_BYTES) throw new StorageError('LIMIT_EXCEEDED')
      const data = new Uint8Array(length)
      const bytes = await reader.readAt(data, offset)
      await this.#rw.respond(dev, id, { kind: 'read-at-response', bytes, data }, { urgent: true })
    } catch (error) {
      const answer: Packet =
        this.#rw.dialect === 'silo'
          ? { kind: 'read-at-response-error' }
          : { kind: 'failure-response', ...failureOf(error) }
      await this.#rw.respond(dev, id, answer, { urgent: true })
    }
  }

  #serveDigests({ level, first, count }: ReadDigests, id: number): Promise<void> {
    const { dev, digests } = this.#device
    if (!digests) throw new StorageError('MALFORMED', 'The peer asks for digests, which are not kept here.')
    const pages = digests(level, first, count)
    return this.#rw.respond(dev, id, { kind: 'read-digests-response', level, pages }, { urgent: true })
  }

  #clip(offset: number, length: number): number {
    if (this.#isClosed) throw new StorageError('CLOSED')
    return clipLength(this.size, offset, length)
  }
}

async function allSettled(pieces: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(pieces)).find((piece) => piece.status === 'rejected')
  if (failed) throw failed.reason
}

/** Called for each of some pieces, tells of the last one; whether any had to wait. */
function lastOf(count: number, departs: (waited: boolean) => void): (waited: boolean) => void {
  let left = count
  let anyWaited = false
  return (waited) => {
    anyWaited ||= waited
    if (--left === 0) departs(anyWaited)
  }
}
