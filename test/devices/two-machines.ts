import type { Clock } from '../../src/async/clock.ts'
import type { Random } from '../../src/async/random.ts'
import { ArrivingDisk } from '../../src/devices/arriving-disk.ts'
import type { SendDiskOptions } from '../../src/devices/send-disk.ts'
import { SendingDisk } from '../../src/devices/sending-disk.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { type Journal, journalBytes, openJournal } from '../../src/migration/journal/journal.ts'
import { createWriteIntents } from '../../src/migration/journal/write-intents.ts'
import { createDirtyTracker, type DirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { type Connection, openConnection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

export const BLOCK = 4096
/** More than one page of digests. */
const BLOCKS = 300

/** Which link is torn, or who dies, just before the n-th send of a side. */
export interface Blow {
  readonly at: 'source' | 'destination'
  readonly send?: number
  /** Or just before the source has sent this many bytes in all. */
  readonly bytes?: number
  readonly kind: 'cut' | 'kill-source' | 'kill-destination'
}

/** A process's view of what survives it: dead, it neither reads nor writes, and answers nobody. */
class Life {
  #isOver = false
  #callsLeft = Number.POSITIVE_INFINITY
  #last: () => void = () => {}

  end(): void {
    this.#isOver = true
  }

  /** Calls `last` before the n-th call of a storage from now. */
  beforeCall(n: number, last: () => void): void {
    this.#callsLeft = n
    this.#last = last
  }

  of(inner: StorageProvider): StorageProvider {
    const alive = <Value>(work: () => Promise<Value>): Promise<Value> => {
      if (--this.#callsLeft === 0) this.#last()
      return this.#isOver ? new Promise(() => {}) : work()
    }
    return {
      size: inner.size,
      readAt: (target, offset) => alive(() => inner.readAt(target, offset)),
      writeAt: (data, offset) => alive(() => inner.writeAt(data, offset)),
      ...(inner.zeroAt && { zeroAt: (offset, length) => alive(() => inner.zeroAt!(offset, length)) }),
      flush: () => alive(() => inner.flush()),
      close: async () => {},
      cancelWrites: () => {},
    }
  }
}

/**
 * A virtual clock without the long sleeps that watch over a silent peer: what is loaded takes real time, in which they would all pass, and thousands of
 * pings be sent.
 */
class DeafClock extends VirtualClock {
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms < 10_000) return super.sleep(ms, signal)
    return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new StorageError('ABORTED'))))
  }
}

/** What machines are made of. */
export interface MachineOptions {
  readonly storage: MakeStorage
  /** The name of this boot, as the journals know it of each machine. */
  readonly bootId: string | ((name: string) => string)
  /** Hears of each piece that a side has sent, or that has come to it, how long it was. */
  readonly hears?: (side: Blow['at'], what: 'sent' | 'arrived', bytes: number) => void
}

function memoryStorage(_name: string, content: number | Uint8Array): MemoryStorage {
  const storage = new MemoryStorage(typeof content === 'number' ? content : content.length)
  if (typeof content !== 'number') storage.writeAtSync(content, 0)
  return storage
}

/** A storage that outlives the processes of a machine, and reads as `content` at first, zero by default. */
export type MakeStorage = (name: string, content: number | Uint8Array) => StorageProvider

/** One computer: a disk and the journal beside it, which outlive the processes. */
class Machine {
  readonly disk: StorageProvider
  readonly place: StorageProvider
  readonly #bootId: string
  life!: Life
  /** Resolves when the process of now has died. */
  death!: Promise<'dead'>
  #died!: () => void

  constructor(name: string, disk: Uint8Array, { storage, bootId }: MachineOptions) {
    this.disk = storage(`${name} disk`, disk)
    this.place = storage(`${name} journal`, journalBytes(disk.length, BLOCK))
    this.#bootId = typeof bootId === 'string' ? bootId : bootId(name)
    this.#live()
  }

  async journal(): Promise<Journal> {
    const hasher = await createBlockHasher()
    return openJournal(this.life.of(this.place), {
      size: this.disk.size,
      blockSize: BLOCK,
      hasher,
      bootId: this.#bootId,
    })
  }

  storage(): StorageProvider {
    return this.life.of(this.disk)
  }

  die(): void {
    this.life.end()
    this.#died()
    this.#live()
  }

  #live(): void {
    this.life = new Life()
    this.death = new Promise((resolve) => {
      this.#died = () => resolve('dead')
    })
  }
}

/** A source and a destination with journals, memory channels between them, and a clock that nobody waits for. */
export class TwoMachines {
  readonly clock: Clock = new DeafClock()
  near: Machine
  far: Machine
  /** What an application was told that it has written. */
  readonly shadow: MemoryStorage
  readonly #random: Random
  readonly #hears: NonNullable<MachineOptions['hears']>
  tracker!: DirtyTracker
  sending!: SendingDisk
  arriving!: ArrivingDisk
  /** Bytes that the source has put on the wire. */
  bytesSent = 0
  struck = false
  /** What becomes of a piece that the source sends. */
  onTheWay: (part: Uint8Array) => Uint8Array = (part) => part
  /** Bits of `FEATURE` that the destination does not know. */
  olderDestination = 0

  constructor(random: Random, blocks = BLOCKS, options: MachineOptions = { storage: memoryStorage, bootId: 'one' }) {
    this.#random = random
    this.#hears = options.hears ?? (() => {})
    // The last block is short.
    const size = (blocks - 1) * BLOCK + 77
    const content = new Uint8Array(size)
    for (let block = 0; block < blocks; block++) {
      if (block % 7 !== 0) content.set(this.#content(Math.min(BLOCK, size - block * BLOCK)), block * BLOCK)
    }
    this.near = new Machine('near', content, options)
    this.far = new Machine('far', new Uint8Array(size), options)
    this.shadow = memoryStorage('shadow', content)
  }

  async bootSource(): Promise<void> {
    const journal = await this.near.journal()
    this.tracker = createDirtyTracker(this.near.storage(), BLOCK, createWriteIntents(journal))
    this.sending = await SendingDisk.open({ source: this.tracker.remote, journal, randomId: () => this.#content(16) })
  }

  bootDestination(): void {
    const { far } = this
    const { life } = far
    this.arriving = new ArrivingDisk({
      create: () => life.of(far.disk),
      openJournal: () => far.journal(),
    })
  }

  /** Both processes end in order, and the disk is to move back. */
  async turnAround(): Promise<void> {
    await this.arriving.journal.checkpoint({ flush: async () => {} })
    for (const machine of [this.near, this.far]) machine.die()
    const { near, far } = this
    this.near = far
    this.far = near
    await this.bootSource()
    this.bootDestination()
  }

  /** Opens the disk at the destination without a peer, if there is something to open. */
  async reopenDestination(): Promise<void> {
    const hasJournal = (await this.far.journal()).ownership !== undefined
    if (hasJournal) await this.arriving.open({ name: 'disk', size: this.shadow.size, blockSize: BLOCK })
  }

  /** Connects the two; the link is torn, or a side dies, at the blow. */
  async connect(blow?: Blow): Promise<{ near: Connection; far: Connection }> {
    const { a, b, sever } = memoryChannels({ clock: this.clock })
    const strike = () => {
      this.struck = true
      if (blow?.kind === 'kill-source') this.near.die()
      if (blow?.kind === 'kill-destination') this.far.die()
      sever()
    }
    const counted = (channel: Channel, at: Blow['at']): Channel => {
      let sends = 0
      return {
        kind: channel.kind,
        ended: channel.ended,
        receive: (handler) =>
          channel.receive((bytes) => {
            this.#hears(at, 'arrived', bytes.length)
            return handler(bytes)
          }),
        close: () => channel.close(),
        abort: (reason) => channel.abort(reason),
        send: (parts) => {
          this.checkOneOwner()
          for (const part of parts) this.#hears(at, 'sent', part.length)
          sends++
          const isDue = blow?.send === sends || (blow?.bytes !== undefined && this.bytesSent >= blow.bytes)
          if (blow?.at === at && isDue && !this.struck) strike()
          if (at === 'source') for (const part of parts) this.bytesSent += part.length
          return channel.send(at === 'source' ? parts.map(this.onTheWay) : parts)
        },
      }
    }
    const [near, far] = await Promise.all([
      openConnection([counted(a, 'source')], { role: 'dialer', clock: this.clock }),
      openConnection([counted(b, 'destination')], {
        role: 'listener',
        clock: this.clock,
        without: this.olderDestination,
      }),
    ])
    return { near, far }
  }

  /** As {@link connect}, for tests in which two sides believe that the disk is theirs until they have talked. */
  async connectUnwatched(): Promise<{ near: Connection; far: Connection }> {
    const { a, b } = memoryChannels({ clock: this.clock })
    const [near, far] = await Promise.all([
      openConnection([a], { role: 'dialer', clock: this.clock }),
      openConnection([b], { role: 'listener', clock: this.clock }),
    ])
    return { near, far }
  }

  /** As {@link connect}; the link is torn, or a side dies, once the source has sent this many bytes. */
  connectFor(bytes: number, kind: Blow['kind']): Promise<{ near: Connection; far: Connection }> {
    return this.connect({ at: 'source', bytes: this.bytesSent + bytes, kind })
  }

  /** Sends over the connection until either end is reached; the outcomes of both sides. */
  async move(
    { near, far }: { near: Connection; far: Connection },
    options: Partial<Omit<SendDiskOptions, 'connection'>> = {},
  ) {
    const sent = this.sending.send({
      connection: near,
      name: 'disk',
      clock: this.clock,
      maxPauseMs: 5000,
      runBytes: 16 * BLOCK,
      ...options,
    })
    // Who cannot go on says so, and who was not heard hangs up.
    sent.then(
      ({ acknowledged }) => {
        if (!acknowledged) void near.close()
      },
      (error: unknown) => near.close(error),
    )
    const received = (async () => {
      await this.arriving.attach(far)
      return this.arriving.handedOver
    })()
    // Who is dead does not say how it went.
    const [source, destination] = await Promise.allSettled([
      Promise.race([sent, this.near.death]),
      Promise.race([received, this.far.death]),
    ])
    await near.close().catch(() => {})
    this.checkOneOwner()
    return { source, destination }
  }

  /** The application writes where it may; nothing where it has to wait. */
  async write(count = 3): Promise<void> {
    for (let index = 0; index < count; index++) {
      const offset = Math.floor(this.#random() * (this.shadow.size - 5000))
      const data = this.#content(1 + Math.floor(this.#random() * 5000))
      const owner = this.sourceIsOpen ? this.tracker.local : this.destinationIsOpen ? this.arriving.disk : undefined
      if (!owner) return
      const isWritten = owner.writeAt(data, offset).then(
        () => true,
        // It lacked a block, and the peer is gone.
        () => false,
      )
      if (!(await isWritten)) continue
      await owner.flush()
      this.shadow.writeAtSync(data, offset)
    }
  }

  get sourceIsOpen(): boolean {
    return this.tracker.local.state === 'open'
  }

  get destinationIsOpen(): boolean {
    return this.arriving?.isPlaced && this.arriving.disk.state === 'open'
  }

  checkOneOwner(): void {
    if (this.sourceIsOpen && this.destinationIsOpen) throw new Error('both sides may write')
  }

  #content(length: number): Uint8Array {
    const words = new Uint32Array(Math.ceil(length / 4))
    let word = Math.floor(this.#random() * 2 ** 32)
    for (let index = 0; index < words.length; index++) {
      word = (Math.imul(word, 1664525) + 1013904223) >>> 0
      words[index] = word
    }
    return new Uint8Array(words.buffer, 0, length)
  }
}
