/** Who wrote: the application, or whoever brings blocks. */
export type Side = 'local' | 'remote'

/** One write that the history knows of. */
export interface KnownWrite {
  readonly number: number
  readonly side: Side
  readonly offset: number
  readonly end: number
  readonly kind: 'data' | 'zero' | 'as it was'
  readonly calledAt: number
  /** When the storage below was called; for local writes. */
  begunAt: number
  endedAt: number
  outcome: 'pending' | 'acknowledged' | 'failed'
}

/** One read, with the moments of its call and of its end. */
export interface KnownRead {
  readonly offset: number
  readonly bytes: Uint8Array
  readonly calledAt: number
  readonly endedAt: number
}

/** What a disk holds before anything was written; no write writes it. */
export const UNTOUCHED = 0xff

const NEVER = Number.POSITIVE_INFINITY

/**
 * What a read at the application's face of a waiting cache may return, byte by byte: something that was written there before the read ended, and
 *
 * - of the application's writes none that another one, acknowledged before the read, began after;
 * - of what arrived nothing once a write of the application there was acknowledged, nothing that a later arrival has replaced, and nothing that was
 *   called before an invalidation of the block. The latter two do not count from when the application has begun to write the block: it owns it then.
 */
export class ArrivalHistory {
  readonly #blockSize: number
  readonly #size: number
  readonly #writes: KnownWrite[] = []
  readonly #invalidations: { readonly block: number; readonly at: number }[] = []
  #moment = 0

  constructor(size: number, blockSize: number) {
    this.#size = size
    this.#blockSize = blockSize
  }

  get writes(): readonly KnownWrite[] {
    return this.#writes
  }

  now(): number {
    return ++this.#moment
  }

  call(side: Side, offset: number, length: number, kind: KnownWrite['kind'] = 'data'): KnownWrite {
    const write: KnownWrite = {
      number: this.#writes.length + 1,
      side,
      offset,
      end: Math.min(offset + length, this.#size),
      kind,
      calledAt: this.now(),
      begunAt: NEVER,
      endedAt: NEVER,
      outcome: 'pending',
    }
    this.#writes.push(write)
    return write
  }

  begin(write: KnownWrite): void {
    write.begunAt = Math.min(write.begunAt, this.now())
  }

  end(write: KnownWrite, outcome: 'acknowledged' | 'failed'): void {
    write.endedAt = this.now()
    write.outcome = outcome
  }

  invalidate(blocks: Iterable<number>): void {
    const at = this.now()
    for (const block of blocks) this.#invalidations.push({ block, at })
  }

  /** Says where a read returned what it must not, or undefined. Looks at a few bytes of each stretch between two edges. */
  wrong(read: KnownRead): string | undefined {
    const end = read.offset + read.bytes.length
    const edges = new Set([read.offset, end])
    const add = (edge: number) => edge > read.offset && edge < end && edges.add(edge)
    for (let edge = 0; edge < end; edge += this.#blockSize) add(edge)
    for (const write of this.#writes) {
      add(write.offset)
      add(write.end)
    }
    const borders = [...edges].sort((a, b) => a - b)
    for (let index = 0; index + 1 < borders.length; index++) {
      const [from, to] = [borders[index]!, borders[index + 1]!]
      const isAllowed = this.#judge(from, read)
      const covering = this.#writes.filter((write) => covers(write, from))
      for (const at of [from, (from + to) >> 1, to - 1]) {
        const byte = read.bytes[at - read.offset]!
        if (covering.some((write) => byteOf(write, at) === byte && isAllowed(write))) continue
        const allowed = covering.filter(isAllowed)
        const found = this.#writes.filter((write) => covers(write, at) && byteOf(write, at) === byte)
        return `byte ${at} is ${byte}, of ${names(found)}; it must be of ${names(allowed)}`
      }
    }
    return undefined
  }

  /** Which writes that cover a place a read may have seen there. */
  #judge(at: number, { calledAt, endedAt }: KnownRead): (write: KnownWrite) => boolean {
    const block = Math.floor(at / this.#blockSize)
    const ownedAt = this.#ownedAt(block)
    let newestLocal = 0
    let newestArrival = 0
    for (const write of this.#writes) {
      if (write.outcome !== 'acknowledged' || write.endedAt > calledAt || !covers(write, at)) continue
      if (write.side === 'local') newestLocal = Math.max(newestLocal, write.calledAt)
      else if (write.endedAt < ownedAt) newestArrival = Math.max(newestArrival, write.calledAt)
    }
    for (const gone of this.#invalidations) {
      if (gone.block === block && gone.at < Math.min(calledAt, ownedAt))
        newestArrival = Math.max(newestArrival, gone.at)
    }
    return (write) => {
      if (write.calledAt > endedAt) return false
      if (write.side === 'local') return write.endedAt >= newestLocal
      return newestLocal === 0 && write.calledAt >= newestArrival
    }
  }

  #ownedAt(block: number): number {
    const [from, to] = [block * this.#blockSize, (block + 1) * this.#blockSize]
    let ownedAt = NEVER
    for (const write of this.#writes) {
      if (write.side !== 'local' || write.outcome === 'failed' || write.offset >= to || write.end <= from) continue
      ownedAt = Math.min(ownedAt, write.begunAt)
    }
    return ownedAt
  }
}

/** What a write puts at a place: differs from what others put there, and from its neighbours. */
export function byteOf(write: KnownWrite, at: number): number {
  if (write.kind === 'zero') return 0
  if (write.kind === 'as it was') return UNTOUCHED
  return 1 + ((write.number * 37 + at * 7 + (at >> 8)) % 253)
}

/** The bytes of a write. */
export function bytesOf(write: KnownWrite): Uint8Array {
  const bytes = new Uint8Array(write.end - write.offset)
  for (let index = 0; index < bytes.length; index++) bytes[index] = byteOf(write, write.offset + index)
  return bytes
}

function covers(write: KnownWrite, at: number): boolean {
  return write.offset <= at && at < write.end
}

function names(writes: readonly KnownWrite[]): string {
  return writes.map(({ side, number }) => `${side} write ${number}`).join(' or ') || 'nobody'
}
