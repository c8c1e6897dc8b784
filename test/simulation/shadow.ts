/** One write that the shadow knows of. Moments are counted by the shadow, finer than the steps of the scheduler. */
export interface KnownWrite {
  readonly number: number
  /** Which side writes it. */
  readonly by: string
  readonly offset: number
  readonly length: number
  readonly zero: boolean
  /** What stands in its bytes: its number, or that of writes with the same content. */
  readonly mark: number
  readonly begunAt: number
  endedAt: number
  outcome: 'pending' | 'acknowledged' | 'failed'
}

/** Bytes that carry one mark: the number of the write they are of, and where they belong. */
export const CELL_BYTES = 64

const NEVER = Number.POSITIVE_INFINITY

/**
 * What a disk may hold, from what its writers were told: of each cell the writes that a read may see. A write that was acknowledged hides all that
 * had ended before it began; one that failed or is under way may have taken effect or not.
 */
export class Shadow {
  readonly size: number
  readonly #first: Uint8Array
  /** Whether each cell still may be what it was at first, and the writes it may be of. */
  readonly #cells: KnownWrite[][]
  readonly #writes: KnownWrite[] = []
  readonly #flushes: { readonly calledAt: number; readonly coversBefore: number }[] = []
  #moment = 1

  /** `first` is what it holds now; kept. */
  constructor(first: Uint8Array) {
    this.size = first.length
    this.#first = first
    this.#cells = Array.from({ length: Math.ceil(first.length / CELL_BYTES) }, () => [])
  }

  now(): number {
    return ++this.#moment
  }

  /** `mark`: of a content that comes back; such writes have whole cells. */
  begin(
    { offset, length, mark }: { offset: number; length: number; mark?: number | undefined },
    zero: boolean,
    by: string,
  ): KnownWrite {
    const number = this.#writes.length + 1
    const write: KnownWrite = {
      number,
      by,
      offset,
      length,
      zero,
      mark: mark ?? number,
      begunAt: this.now(),
      endedAt: NEVER,
      outcome: 'pending',
    }
    this.#writes.push(write)
    for (let cell = offset / CELL_BYTES; cell * CELL_BYTES < offset + length; cell++) this.#cells[cell]!.push(write)
    return write
  }

  end(write: KnownWrite, outcome: 'acknowledged' | 'failed'): void {
    write.endedAt = this.now()
    write.outcome = outcome
  }

  /** The bytes a write is to put there. */
  bytesOf(write: KnownWrite): Uint8Array {
    const bytes = new Uint8Array(write.length)
    if (!write.zero) for (let at = 0; at < write.length; at += CELL_BYTES) mark(bytes, at, write, write.offset + at)
    return bytes
  }

  /** A flush that was called at `calledAt` has succeeded. */
  flushed(calledAt: number): void {
    this.#flushes.push({ calledAt, coversBefore: calledAt })
  }

  /** The power failed at a side that owns the disk: what was acknowledged and not flushed may be gone. */
  losePower(by: string): void {
    const flushed = Math.max(0, ...this.#flushes.map(({ coversBefore }) => coversBefore))
    for (const write of this.#writes) {
      if (write.outcome === 'acknowledged' && write.endedAt > flushed) write.outcome = 'failed'
    }
    this.kill(by)
  }

  /** The writer at a side was killed: what it had under way may have been done or not, and will not be done any more. */
  kill(by: string): void {
    const now = this.now()
    for (const write of this.#writes) {
      if (write.outcome !== 'pending' || write.by !== by) continue
      write.outcome = 'failed'
      write.endedAt = now
    }
  }

  /**
   * Says where `bytes`, read at `offset` by a call from `calledAt` to now, is something it cannot be; undefined when it is right.
   * `at` of a read that may be old: the moment from which on what was true counts.
   */
  wrong(bytes: Uint8Array, offset: number, calledAt: number): string | undefined {
    for (let from = offset; from < offset + bytes.length; ) {
      const cell = Math.floor(from / CELL_BYTES)
      const to = Math.min((cell + 1) * CELL_BYTES, offset + bytes.length)
      const found = bytes.subarray(from - offset, to - offset)
      if (!this.#isAllowed(cell, found, from, calledAt)) return this.#describe(cell, found, from, calledAt)
      from = to
    }
    return undefined
  }

  #isAllowed(cell: number, found: Uint8Array, from: number, calledAt: number): boolean {
    const writes = this.#cells[cell]!
    let hides = 0
    for (const { outcome, endedAt, begunAt } of writes) {
      if (outcome === 'acknowledged' && endedAt <= calledAt) hides = Math.max(hides, begunAt)
    }
    if (hides === 0 && same(found, this.#first, from)) return true
    for (let index = writes.length - 1; index >= 0; index--) {
      const write = writes[index]!
      if (write.endedAt >= hides && holds(found, write, from)) return true
    }
    return false
  }

  #describe(cell: number, found: Uint8Array, from: number, calledAt: number): string {
    const all = this.#cells[cell]!
    const of = all.filter((write) => holds(found, write, from)).map(({ number }) => `write ${number}`)
    if (same(found, this.#first, from)) of.push('what was there first')
    const last = all.filter(({ outcome, endedAt }) => outcome === 'acknowledged' && endedAt <= calledAt).at(-1)
    const known = of.length > 0 ? `holds ${of.join(', ')}` : `holds bytes nobody wrote (${[...found.slice(0, 8)]})`
    return `offset ${from}: ${known}; acknowledged last: ${last ? `write ${last.number}` : 'nothing'}`
  }
}

/** What a cell of a write looks like, while it is compared: runs spend much of their time here. */
const marked = new Uint8Array(CELL_BYTES)
const ZEROES = new Uint8Array(CELL_BYTES)

function holds(found: Uint8Array, write: KnownWrite, from: number): boolean {
  if (from + found.length > write.offset + write.length) return false
  if (write.zero) return same(found, ZEROES, 0)
  if (from % CELL_BYTES === 0 && found[0] !== (write.mark & 0xff)) return false
  const start = Math.floor(from / CELL_BYTES) * CELL_BYTES
  mark(marked, 0, write, start)
  return same(found, marked, from - start)
}

/** Whether `found` is what stands in `other` from `from` on. A loop: `every` with a function takes several times as long, and whole disks are compared. */
export function same(found: Uint8Array, other: Uint8Array, from = 0): boolean {
  for (let index = 0; index < found.length; index++) if (found[index] !== other[from + index]) return false
  return true
}

/** `number u16 | cell u16 | 0xc0 + what follows from both ...`: unlike any other write's, unlike any other place's, nowhere zero but perhaps in the head. */
function mark(target: Uint8Array, at: number, { mark: number }: KnownWrite, offset: number): void {
  const cell = offset / CELL_BYTES
  const end = Math.min(at + CELL_BYTES, target.length)
  const head = [number & 0xff, number >> 8, cell & 0xff, cell >> 8]
  for (let index = at; index < end; index++) {
    const place = index - at
    target[index] = place < 4 ? head[place]! : 1 + ((number * 31 + cell * 17 + place * 7) % 255)
  }
}
