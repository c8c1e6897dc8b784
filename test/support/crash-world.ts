import type { Random } from '../../src/async/random.ts'
import type { IoOptions, StorageProvider } from '../../src/storage/provider.ts'
import { clipLength } from '../../src/storage/range.ts'

/** Bytes that a disk replaces as a whole: a write that is torn is torn at their borders. */
const SECTOR_BYTES = 512

/** One write in the trace. */
interface TracedWrite {
  readonly offset: number
  readonly bytes: Uint8Array
  /** Events before it was issued, before it was acknowledged, and before a flush that covers it was. */
  readonly issued: number
  acknowledged: number
  flushed: number
}

/** What a crash leaves. */
export type CrashKind =
  /** Only processes end: what was acknowledged is there, and of what was under way any part. */
  | 'kill'
  /** The machine stops: what was flushed is there, and of everything since any part. */
  | 'power'
  /** As `power`, and the storage lied about any flush. */
  | 'lost-flushes'

/** When a storage was left alone, and how. */
export interface Crash {
  /** Events that had happened. */
  readonly at: number
  readonly kind: CrashKind
}

/** One thing a crash may have left behind. */
export interface Wreck {
  /** Events that had happened. */
  readonly at: number
  readonly kind: CrashKind
  /** The bytes of each storage, by name. */
  readonly images: ReadonlyMap<string, Uint8Array>
}

/**
 * Storages that remember every write and flush in one common order, and what a crash at any moment could have left of them. The legal states
 * are those of ALICE and dm-log-writes: writes under way, and after a power loss those that no flush covers, took effect or not, each on its own
 * and torn at any sectors.
 */
export class CrashWorld {
  readonly #disks = new Map<string, TracedStorage>()
  #events = 0

  /** Events so far: a moment that {@link wrecks} can be told to begin with or end at. */
  get events(): number {
    return this.#events
  }

  /** A storage that reads as `content` at first, zero by default. */
  storage(name: string, content: number | Uint8Array): StorageProvider {
    const bytes = typeof content === 'number' ? new Uint8Array(content) : content.slice()
    const disk = new TracedStorage(bytes, () => ++this.#events)
    this.#disks.set(name, disk)
    return disk
  }

  /** Notes that something happened that is no access; returns when. */
  mark(): number {
    return ++this.#events
  }

  /**
   * What crashes leave, at every moment from `from` to `to`. Every subset where they are few, else `perPoint` of them by chance; the disks of one
   * wreck are damaged independently.
   */
  *wrecks(
    kind: CrashKind,
    {
      random,
      perPoint = 16,
      from = 0,
      to = this.#events,
    }: { random: Random; perPoint?: number; from?: number; to?: number },
  ): Generator<Wreck> {
    for (let at = from; at <= to; at++) {
      for (const images of this.images(() => ({ kind, at }), { random, perPoint })) yield { at, kind, images }
    }
  }

  /**
   * What is left of the storages, each by name, where each may have been left alone at a moment of its own. As {@link wrecks}; `tornPerPoint`: how many
   * torn ones come after those.
   */
  *images(
    crashOf: (name: string) => Crash,
    { random, perPoint, tornPerPoint = 4 }: { random: Random; perPoint: number; tornPerPoint?: number },
  ): Generator<ReadonlyMap<string, Uint8Array>> {
    const image = (takes: () => boolean, tears?: Random) =>
      new Map(Array.from(this.#disks, ([name, disk]) => [name, disk.image(crashOf(name), takes, tears)]))
    const uncertain = Array.from(this.#disks, ([name, disk]) => disk.uncertain(crashOf(name)).length)
    const states = uncertain.reduce((product, count) => product * 2 ** count, 1)
    const isAll = states <= perPoint
    for (let pick = 0; pick < (isAll ? states : perPoint); pick++) {
      yield image(isAll ? bitsOf(pick) : someOf(random, pick))
    }
    for (let torn = 0; torn < Math.min(tornPerPoint, states - 1); torn++) yield image(someOf(random, torn), random)
  }
}

/** The bits of a number, one after the other. */
function bitsOf(number: number): () => boolean {
  let left = number
  return () => {
    const bit = left % 2 === 1
    left = Math.floor(left / 2)
    return bit
  }
}

/** None, all, few, most, or any, by turns. */
function someOf(random: Random, pick: number): () => boolean {
  const share = [0, 1, 0.1, 0.9, 0.5][pick % 5]!
  return () => random() < share
}

/** A dense disk in memory that keeps its history. Calls end some turns after they began, so that several can be under way. */
class TracedStorage implements StorageProvider {
  readonly size: number
  readonly #now: Uint8Array
  readonly #before: Uint8Array
  readonly #writes: TracedWrite[] = []
  readonly #event: () => number

  constructor(bytes: Uint8Array, event: () => number) {
    this.size = bytes.length
    this.#now = bytes
    this.#before = bytes.slice()
    this.#event = event
  }

  async readAt(target: Uint8Array, offset: number, _options?: IoOptions): Promise<number> {
    await turns()
    const length = clipLength(this.size, offset, target.length)
    target.set(this.#now.subarray(offset, offset + length))
    return length
  }

  async writeAt(data: Uint8Array, offset: number, _options?: IoOptions): Promise<number> {
    const length = clipLength(this.size, offset, data.length)
    const bytes = data.slice(0, length)
    const write = { offset, bytes, issued: this.#event(), acknowledged: Infinity, flushed: Infinity }
    this.#writes.push(write)
    this.#now.set(bytes, offset)
    await turns()
    write.acknowledged = this.#event()
    return length
  }

  async flush(): Promise<void> {
    const covered = this.#writes.filter(({ acknowledged, flushed }) => acknowledged < Infinity && flushed === Infinity)
    await turns()
    const flushed = this.#event()
    for (const write of covered) write.flushed = Math.min(write.flushed, flushed)
  }

  async close(): Promise<void> {}

  cancelWrites(): void {}

  /** Writes of which a crash at that moment may have left any part. */
  uncertain({ kind, at }: Crash): TracedWrite[] {
    return this.#writes.filter((write) => write.issued <= at && !isCertain(kind, write, at))
  }

  image({ kind, at }: Crash, takes: () => boolean, tears: Random | undefined): Uint8Array {
    const image = this.#before.slice()
    for (const write of this.#writes) {
      if (write.issued > at) continue
      if (isCertain(kind, write, at)) image.set(write.bytes, write.offset)
      else if (tears && tears() < 0.5) tear(image, write, tears)
      else if (takes()) image.set(write.bytes, write.offset)
    }
    return image
  }
}

function isCertain(kind: CrashKind, { acknowledged, flushed }: TracedWrite, at: number): boolean {
  return kind === 'kill' ? acknowledged <= at : kind === 'power' ? flushed <= at : false
}

/** Some sectors of a write and not the others. */
function tear(image: Uint8Array, { offset, bytes }: TracedWrite, random: Random): void {
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, (Math.floor((offset + from) / SECTOR_BYTES) + 1) * SECTOR_BYTES - offset)
    if (random() < 0.5) image.set(bytes.subarray(from, to), offset + from)
    from = to
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await undefined
}
