import type { Clock } from '../../src/async/clock.ts'
import { type Random, seededRandom } from '../../src/async/random.ts'
import { DeviceGroup } from '../../src/devices/device-group.ts'
import type { SendGroupOptions } from '../../src/devices/group-options.ts'
import { GROUP_RECORD_BYTES } from '../../src/devices/group-record.ts'
import {
  type ReceivedGroup,
  type ReceiveGroupOptions,
  receiveGroup,
  reopenGroup,
} from '../../src/devices/receive-group.ts'
import { type Journal, journalBytes, openJournal } from '../../src/migration/journal/journal.ts'
import { createWriteIntents } from '../../src/migration/journal/write-intents.ts'
import { createDirtyTracker, type DirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { type Connection, openConnection } from '../../src/protocol/connection.ts'
import type { Dialect } from '../../src/protocol/protocol-rw.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { FlakyStorage } from '../support/flaky-storage.ts'
import { SlowStorage } from '../support/slow-storage.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

export const BLOCK = 4096

/** Blocks of the disks; the last of each is short. */
const BLOCKS = [300, 20, 70]

/** Which link is torn, or who dies, just before the n-th send of a side. */
export interface Blow {
  readonly at: 'source' | 'destination'
  readonly send: number
  readonly kind: 'cut' | 'kill-source' | 'kill-destination'
}

/** One computer: disks, the journals beside them and the group's record outlive its processes. */
class Computer {
  readonly disks: MemoryStorage[]
  readonly places: MemoryStorage[]
  /** Where the group's record is; its faults are the storage's. */
  readonly record = new FlakyStorage(new MemoryStorage(GROUP_RECORD_BYTES))
  readonly journals: Journal[] = []
  /** Writes and flushes of all its processes. */
  writes = 0
  dieBefore = Number.POSITIVE_INFINITY
  death!: Promise<'dead'>
  #died!: () => void
  #life!: { isOver: boolean }

  constructor(sizes: readonly number[]) {
    this.disks = sizes.map((size) => new MemoryStorage(size))
    this.places = sizes.map((size) => new MemoryStorage(journalBytes(size, BLOCK)))
    this.live()
  }

  live(): void {
    this.#life = { isOver: false }
    this.death = new Promise((resolve) => {
      this.#died = () => resolve('dead')
    })
  }

  die(): void {
    this.#life.isOver = true
    this.#died()
    this.live()
  }

  async journal(index: number): Promise<Journal> {
    const { size } = this.disks[index]!
    const hasher = await createBlockHasher()
    const journal = await openJournal(this.of(this.places[index]!), { size, blockSize: BLOCK, hasher, bootId: 'one' })
    this.journals[index] = journal
    return journal
  }

  /** As the process of now sees a storage; when that is dead, nothing answers. */
  of(inner: StorageProvider): StorageProvider {
    const life = this.#life
    const alive = <Value>(work: () => Promise<Value>): Promise<Value> => (life.isOver ? new Promise(() => {}) : work())
    const changing = <Value>(work: () => Promise<Value>): Promise<Value> => {
      if (!life.isOver && ++this.writes === this.dieBefore) this.die()
      return alive(work)
    }
    return {
      size: inner.size,
      readAt: (target, offset) => alive(() => inner.readAt(target, offset)),
      writeAt: (data, offset) => changing(() => inner.writeAt(data, offset)),
      zeroAt: (offset, length) => changing(() => inner.zeroAt!(offset, length)),
      flush: () => changing(() => inner.flush()),
      close: async () => {},
      cancelWrites: () => {},
    }
  }
}

/** Virtual time runs away while something real is awaited, such as a proof: nobody asks meanwhile whether the peer is alive. */
function patient(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    yield: () => clock.yield(),
    sleep: (ms, signal) => (ms < 5000 ? clock.sleep(ms, signal) : new Promise(() => {})),
  }
}

/** Two computers between which three disks move together. */
export class GroupRig {
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly dialect: Dialect
  near: Computer
  far: Computer
  /** What an application was told that it has written. */
  readonly shadows: MemoryStorage[]
  trackers!: DirtyTracker[]
  group!: DeviceGroup
  received: ReceivedGroup | undefined
  bytesSent = 0
  sends = 0
  struck = false

  constructor({
    seed = 1,
    dialect = 'blockferry/1',
    blocks = BLOCKS,
  }: { seed?: number; dialect?: Dialect; blocks?: number[] } = {}) {
    this.random = seededRandom(seed)
    this.dialect = dialect
    const sizes = blocks.map((count) => (count - 1) * BLOCK + 77)
    this.near = new Computer(sizes)
    this.far = new Computer(sizes)
    this.shadows = sizes.map((size) => new MemoryStorage(size))
    for (const [index, shadow] of this.shadows.entries()) {
      for (let at = 0; at < shadow.size; at += BLOCK) {
        if ((at / BLOCK) % 5 === 0) continue
        const data = this.content(Math.min(BLOCK, shadow.size - at))
        shadow.writeAtSync(data, at)
        this.near.disks[index]!.writeAtSync(data, at)
      }
    }
  }

  async boot(): Promise<void> {
    const { near } = this
    const isSilo = this.dialect === 'silo'
    const journals = isSilo ? [] : await Promise.all(near.disks.map((_, index) => near.journal(index)))
    this.trackers = near.disks.map((disk, index) => {
      const journal = journals[index]
      return createDirtyTracker(near.of(disk), BLOCK, ...(journal ? [createWriteIntents(journal)] : []))
    })
    this.group = await DeviceGroup.open({
      disks: this.trackers.map(({ remote }, index) => {
        const journal = journals[index]
        return { name: `disk ${index}`, source: remote, ...(journal ? { journal } : {}) }
      }),
      ...(isSilo ? {} : { record: near.of(near.record) }),
      randomId: () => this.content(16),
    })
  }

  async connect(blow?: Blow): Promise<{ near: Connection; far: Connection }> {
    const { a, b, sever } = memoryChannels({ clock: this.clock })
    const counted = (channel: Channel, at: Blow['at']): Channel => {
      let sends = 0
      return {
        kind: channel.kind,
        ended: channel.ended,
        receive: (handler) => channel.receive(handler),
        close: () => channel.close(),
        abort: (reason) => channel.abort(reason),
        send: (parts) => {
          this.checkOwners()
          if (++sends === blow?.send && blow.at === at) {
            this.struck = true
            if (blow.kind === 'kill-source') this.near.die()
            if (blow.kind === 'kill-destination') {
              this.far.die()
              this.received = undefined
            }
            sever()
          }
          if (at === 'source') for (const part of parts) this.bytesSent += part.length
          return channel.send(parts)
        },
      }
    }
    void Promise.race([this.near.death, this.far.death]).then(sever)
    const { dialect } = this
    const clock = patient(this.clock)
    const [near, far] = await Promise.all([
      openConnection([counted(a, 'source')], { role: 'dialer', clock, dialect }),
      openConnection([counted(b, 'destination')], { role: 'listener', clock, dialect }),
    ])
    return { near, far }
  }

  async receive(connection: Connection, options: Partial<ReceiveGroupOptions> = {}): Promise<ReceivedGroup> {
    const { far } = this
    const group = await receiveGroup({
      connection,
      create: (_offer, index) => this.place(index),
      ...(this.dialect === 'silo' ? {} : { journal: (_offer, index) => far.journal(index) }),
      ...options,
    })
    this.received = group
    return group
  }

  /** Opens the disks at the destination without a peer, after it was started anew. */
  async reopen(): Promise<ReceivedGroup> {
    const { far } = this
    this.received = await reopenGroup({
      offers: this.shadows.map(({ size }, index) => ({ name: `disk ${index}`, size, blockSize: BLOCK })),
      create: (_offer, index) => this.place(index),
      journal: (_offer, index) => far.journal(index),
    })
    return this.received
  }

  /** Where an arriving disk goes; slow, so that time passes and writers get their turn. */
  place(index: number): StorageProvider {
    return new SlowStorage(this.far.of(this.far.disks[index]!), { clock: this.clock })
  }

  /** Moves the group over the connection until either end is reached; how both sides ended. */
  async move(
    { near, far }: { near: Connection; far: Connection },
    options: Partial<SendGroupOptions> = {},
    receiving: Partial<ReceiveGroupOptions> = {},
  ) {
    this.received = undefined
    const sent = this.group.send({
      connection: near,
      clock: this.clock,
      maxPauseMs: 5000,
      runBytes: 8 * BLOCK,
      progressIntervalMs: 0,
      ...options,
    })
    sent.catch((error: unknown) => near.close(error)) // Who cannot go on says so.
    const received = this.receive(far, receiving).then((group) => group.handedOver)
    const [source, destination] = await Promise.allSettled([
      Promise.race([sent, this.near.death]),
      Promise.race([received, this.far.death]),
    ])
    this.checkOwners()
    return { source, destination }
  }

  /** The computers change their parts; what they run is started anew. */
  async turnAround(): Promise<void> {
    await Promise.all(this.far.journals.map((journal) => journal.checkpoint({ flush: async () => {} })))
    this.near.die()
    this.far.die()
    const { near } = this
    this.near = this.far
    this.far = near
    this.received = undefined
    await this.boot()
  }

  /** The application writes somewhere, where it may; nothing where it has to wait. */
  async write(count = 1): Promise<void> {
    for (let turn = 0; turn < count; turn++) {
      const index = Math.floor(this.random() * this.shadows.length)
      const shadow = this.shadows[index]!
      const offset = Math.floor(this.random() * (shadow.size - 5000))
      const data = this.content(1 + Math.floor(this.random() * 5000))
      const owner = this.owner(index)
      if (!owner) continue
      const isWritten = await owner.writeAt(data, offset).then(
        () => true,
        () => false,
      )
      if (!isWritten) continue
      await owner.flush()
      shadow.writeAtSync(data, offset)
    }
  }

  owner(index: number): StorageProvider | undefined {
    if (this.trackers[index]!.local.state === 'open') return this.trackers[index]!.local
    const arrived = this.received?.disks[index]
    return arrived?.disk.state === 'open' ? arrived.disk : undefined
  }

  checkOwners(): void {
    const gates = (this.received?.disks ?? []).map(({ disk }) => disk?.state === 'open')
    if (new Set(gates).size > 1) throw new Error(`of the disks there some may be written: ${gates}`)
    for (const [index, tracker] of (this.trackers ?? []).entries()) {
      if (tracker.local.state !== 'open') continue
      const isTheirs = this.received?.disks.some((disk) => disk.disk?.state === 'open')
      if (isTheirs) throw new Error(`disk ${index} is written here, and a disk of its group there`)
    }
  }

  content(length: number): Uint8Array {
    const words = new Uint32Array(Math.ceil(length / 4))
    let word = Math.floor(this.random() * 2 ** 32)
    for (let index = 0; index < words.length; index++) {
      word = (Math.imul(word, 1664525) + 1013904223) >>> 0
      words[index] = word
    }
    return new Uint8Array(words.buffer, 0, length)
  }
}
