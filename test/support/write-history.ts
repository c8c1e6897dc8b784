import { seededRandom } from '../../src/async/random.ts'

/** One write that the history knows of. */
export interface RecordedWrite {
  readonly number: number
  readonly offset: number
  readonly length: number
  readonly zero: boolean
  readonly startedAt: number
  /** When it ended; undefined while it is under way. */
  endedAt: number | undefined
  outcome: 'pending' | 'acknowledged' | 'failed'
}

/**
 * What a disk of at most 256 KiB may hold after writes of which some ran at the same time and some failed, byte by byte.
 *
 * A byte holds what it held at first, unless an acknowledged write has covered it; or what a write has put there that ended, well or not,
 * unless an acknowledged write that began after that end has covered it since. A write that failed may have changed its range or not.
 * One that is still under way must not have: ask only when writers are locked out.
 */
export class WriteHistory {
  readonly #initial: Uint8Array
  readonly #writes: RecordedWrite[] = []
  #moment = 0

  /** Keeps a copy of what the disk holds at first. */
  constructor(initial: Uint8Array) {
    if (initial.length > NOISE_BYTES) throw new RangeError(`at most ${NOISE_BYTES} bytes, got ${initial.length}`)
    this.#initial = initial.slice()
  }

  get writes(): readonly RecordedWrite[] {
    return this.#writes
  }

  /** A write begins. The range must lie inside the disk. */
  begin(offset: number, length: number, options: { zero?: boolean } = {}): RecordedWrite {
    const write: RecordedWrite = {
      number: this.#writes.length + 1,
      offset,
      length,
      zero: options.zero ?? false,
      startedAt: ++this.#moment,
      endedAt: undefined,
      outcome: 'pending',
    }
    this.#writes.push(write)
    return write
  }

  end(write: RecordedWrite, outcome: 'acknowledged' | 'failed'): void {
    write.endedAt = ++this.#moment
    write.outcome = outcome
  }

  /** What a write is to put into its range; owned by the caller. */
  bytesOf(write: RecordedWrite): Uint8Array {
    return noiseOf(write, write.offset, write.offset + write.length).slice()
  }

  /** Forgets a write that was refused before it began. */
  withdraw(write: RecordedWrite): void {
    this.#writes.splice(this.#writes.indexOf(write), 1)
  }

  /** Performs a write through `work`, which gets the bytes, and records how it ends. Never rejects; tells how it ended. */
  async perform(
    offset: number,
    length: number,
    work: (bytes: Uint8Array) => Promise<number> | number,
    options: { zero?: boolean } = {},
  ): Promise<RecordedWrite['outcome']> {
    const write = this.begin(offset, length, options)
    try {
      const count = await work(this.bytesOf(write))
      this.end(write, count === length ? 'acknowledged' : 'failed')
    } catch {
      this.end(write, 'failed')
    }
    return write.outcome
  }

  /** Says where `content` holds what it cannot, or undefined when it is right. */
  wrong(content: Uint8Array): string | undefined {
    if (content.length !== this.#initial.length) return `${content.length} bytes instead of ${this.#initial.length}`
    const edges = new Set([0, content.length])
    for (const { offset, length } of this.#writes) edges.add(offset).add(offset + length)
    const borders = [...edges].sort((a, b) => a - b)
    for (let index = 0; index + 1 < borders.length; index++) {
      const from = borders[index]!
      const to = borders[index + 1]!
      const covering = this.#writes.filter((write) => write.offset <= from && to <= write.offset + write.length)
      const acknowledged = covering.filter((write) => write.outcome === 'acknowledged')
      const last = Math.max(0, ...acknowledged.map((write) => write.startedAt))
      const possible = covering.filter((write) => write.endedAt !== undefined && write.endedAt > last)
      const candidates = possible.map((write) => noiseOf(write, from, to))
      if (acknowledged.length === 0) candidates.push(this.#initial.subarray(from, to))
      const found = content.subarray(from, to)
      if (candidates.some((candidate) => Buffer.compare(candidate, found) === 0)) continue
      const place = found.findIndex((byte, index) => candidates.every((candidate) => candidate[index] !== byte))
      if (place < 0) continue
      const wanted = possible.map(({ number }) => `write ${number}`)
      if (acknowledged.length === 0) wanted.push('the first content')
      return `byte ${from + place} is ${found[place]}, which is none of: ${wanted.join(', ')}`
    }
    return undefined
  }
}

/** Bytes from 1 to 255 by chance, twice in a row. */
const NOISE_BYTES = 2 ** 18
const noise = (() => {
  const random = seededRandom(1)
  const bytes = new Uint8Array(2 * NOISE_BYTES)
  for (let index = 0; index < NOISE_BYTES; index++) bytes[index] = 1 + random() * 255
  bytes.copyWithin(NOISE_BYTES, 0, NOISE_BYTES)
  return bytes
})()
const zeroes = new Uint8Array(NOISE_BYTES)

/** What a write puts into a part of its range: differs from what other writes put there, and from its neighbours. */
function noiseOf(write: RecordedWrite, from: number, to: number): Uint8Array {
  if (write.zero) return zeroes.subarray(0, to - from)
  const start = (write.number * 5003 + from) % NOISE_BYTES
  return noise.subarray(start, start + to - from)
}
