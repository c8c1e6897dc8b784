import type { Extent } from '../storage/provider.ts'

/** Bytes of a page: the usual block, so that one written block costs one page. */
const PAGE_BYTES = 65536

/** Pages of a huge, mostly empty disk: a page exists once something other than zero was written to it. */
export class SparseMemory {
  readonly #pages = new Map<number, Uint8Array>()

  read(target: Uint8Array, offset: number): void {
    forEachPage(offset, target.length, (page, inPage, from, length) => {
      const bytes = this.#pages.get(page)
      if (bytes) target.set(bytes.subarray(inPage, inPage + length), from)
      else target.fill(0, from, from + length)
    })
  }

  write(data: Uint8Array, offset: number): void {
    forEachPage(offset, data.length, (page, inPage, from, length) => {
      let bytes = this.#pages.get(page)
      if (!bytes) {
        bytes = new Uint8Array(PAGE_BYTES)
        this.#pages.set(page, bytes)
      }
      bytes.set(data.subarray(from, from + length), inPage)
    })
  }

  zero(offset: number, length: number): void {
    for (const page of this.#pagesIn(Math.floor(offset / PAGE_BYTES), Math.ceil((offset + length) / PAGE_BYTES))) {
      const from = Math.max(offset, page * PAGE_BYTES)
      const to = Math.min(offset + length, (page + 1) * PAGE_BYTES)
      if (to - from === PAGE_BYTES) this.#pages.delete(page)
      else this.#pages.get(page)!.fill(0, from - page * PAGE_BYTES, to - page * PAGE_BYTES)
    }
  }

  extents(offset: number, length: number): readonly Extent[] {
    const first = Math.floor(offset / PAGE_BYTES)
    // An empty range inside a page would otherwise find that page.
    const end = length === 0 ? first : Math.ceil((offset + length) / PAGE_BYTES)
    const extents: { offset: number; length: number }[] = []
    for (const page of this.#pagesIn(first, end)) {
      const from = Math.max(offset, page * PAGE_BYTES)
      const to = Math.min(offset + length, (page + 1) * PAGE_BYTES)
      const last = extents.at(-1)
      if (last && last.offset + last.length === from) last.length += to - from
      else extents.push({ offset: from, length: to - from })
    }
    return extents
  }

  free(): void {
    this.#pages.clear()
  }

  /** Existing pages of a range, ascending; walks whichever is shorter, the range or the pages. */
  #pagesIn(first: number, end: number): number[] {
    const found: number[] = []
    if (end - first <= this.#pages.size) {
      for (let page = first; page < end; page++) if (this.#pages.has(page)) found.push(page)
      return found
    }
    for (const page of this.#pages.keys()) if (page >= first && page < end) found.push(page)
    return found.sort((a, b) => a - b)
  }
}

/** Cuts a range at page borders. Offsets pass 2^32, so pages are found by division, not by shifts. */
function forEachPage(
  offset: number,
  length: number,
  visit: (page: number, inPage: number, from: number, length: number) => void,
): void {
  for (let from = 0; from < length; ) {
    const page = Math.floor((offset + from) / PAGE_BYTES)
    const inPage = offset + from - page * PAGE_BYTES
    const count = Math.min(PAGE_BYTES - inPage, length - from)
    visit(page, inPage, from, count)
    from += count
  }
}
