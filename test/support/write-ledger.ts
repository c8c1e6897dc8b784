import { open } from 'node:fs/promises'

/** Bytes that are written at once. */
export const PAGE_BYTES = 4096

/** What a page of a ledger's disk holds after its n-th write; 0: from the beginning. */
export function pageContent(page: number, write: number): Uint8Array {
  const words = new Uint32Array(PAGE_BYTES / 4)
  for (let index = 0; index < words.length; index += 2) {
    words[index] = page + 1
    words[index + 1] = write
  }
  return new Uint8Array(words.buffer)
}

/** One write of a page; moments are counted by what happens. */
interface Write {
  readonly page: number
  readonly writer: string
  readonly issuedAt: number
  acknowledgedAt: number
  isFlushed: boolean
}

/** Who wrote what to a disk of pages, wherever it was: what was acknowledged and flushed must be there in the end, or what may have come after it. */
export class WriteLedger {
  readonly pages: number
  /** By number, from 1. */
  readonly #writes: Write[] = []
  readonly #ofPage = new Map<number, Write[]>()
  #moment = 0

  constructor(pages: number) {
    this.pages = pages
  }

  /** Writes so far. */
  get issued(): number {
    return this.#writes.length
  }

  /** A write is about to be sent: its number. */
  issue(page: number, writer: string): number {
    const issuedAt = ++this.#moment
    const write = { page, writer, issuedAt, acknowledgedAt: Number.POSITIVE_INFINITY, isFlushed: false }
    const ofPage = this.#ofPage.get(page)
    if (ofPage) ofPage.push(write)
    else this.#ofPage.set(page, [write])
    return this.#writes.push(write)
  }

  /** A write was acknowledged. */
  acknowledged(write: number): void {
    this.#writes[write - 1]!.acknowledgedAt = ++this.#moment
  }

  /** A flush was acknowledged that was asked for after these writes were. */
  flushed(writes: readonly number[]): void {
    for (const write of writes) this.#writes[write - 1]!.isFlushed = true
  }

  /** What is wrong with a disk, one line for each page; nothing if it is right. */
  async check(path: string): Promise<string[]> {
    const file = await open(path, 'r')
    const wrong: string[] = []
    try {
      const bytes = new Uint8Array(PAGE_BYTES)
      for (let page = 0; page < this.pages; page++) {
        await file.read(bytes, 0, PAGE_BYTES, page * PAGE_BYTES)
        const write = new Uint32Array(bytes.buffer)[1]!
        const problem =
          Buffer.compare(bytes, pageContent(page, write)) === 0 ? this.#problem(page, write) : 'is torn or of another'
        if (problem) wrong.push(`page ${page} ${problem}`)
      }
    } finally {
      await file.close()
    }
    return wrong
  }

  /** A write that waits at a gate may come after a later one that did not: only what had been answered before another was asked for is older than it. */
  #problem(page: number, number: number): string | undefined {
    const found = number === 0 ? undefined : this.#writes[number - 1]
    if (number !== 0 && found?.page !== page) return `holds a write ${number} of nobody`
    const before = found?.acknowledgedAt ?? 0
    const lost = this.#ofPage.get(page)?.find((write) => write.isFlushed && write.issuedAt > before)
    return lost && `holds write ${number} by ${found?.writer}; a later one by ${lost.writer} was flushed and is lost`
  }
}
