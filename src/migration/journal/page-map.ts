/** What a journal holds of a page. In the order of their numbers in a record. */
export const PAGE_KIND = {
  /** None of its slices was ever stored. */
  none: 0,
  /** Its slices are stored. */
  stored: 1,
  /** Every block is known to be zero, and the disk was flushed since. */
  zero: 2,
  /** Every block is known to be zero. */
  zeroUnflushed: 3,
  /** Nothing is known of it, and whatever lies on the place is void. */
  void: 4,
} as const

/** One of {@link PAGE_KIND}. */
export type PageKind = (typeof PAGE_KIND)[keyof typeof PAGE_KIND]

/** Which pages of a disk are stored at all: a terabyte of zeroes is one run, so that loading it reads nothing. */
export class PageMap {
  readonly #kinds: Uint8Array
  /** The same, four pages in each word; the last one may have fewer. */
  readonly #words: Uint32Array

  constructor(pageCount: number) {
    this.#words = new Uint32Array(Math.ceil(pageCount / 4))
    this.#kinds = new Uint8Array(this.#words.buffer, 0, pageCount)
  }

  get pageCount(): number {
    return this.#kinds.length
  }

  kind(page: number): PageKind {
    return this.#kinds[page] as PageKind
  }

  /** Says whether that is a change. */
  set(page: number, kind: PageKind): boolean {
    const isChange = this.#kinds[page] !== kind
    this.#kinds[page] = kind
    return isChange
  }

  /** As {@link set} for neighbouring pages. */
  setRun(first: number, count: number, kind: PageKind): boolean {
    const end = first + count
    if (count === 0 || (this.#kinds[first] === kind && this.#runEnd(first) >= end)) return false
    this.#kinds.fill(kind, first, end)
    return true
  }

  /** Whether there is a page of this kind. */
  holds(kind: PageKind): boolean {
    return this.#kinds.includes(kind)
  }

  /** Visits the runs of neighbouring pages of one kind, in order. */
  forEachRun(visit: (first: number, count: number, kind: PageKind) => void): void {
    for (let first = 0; first < this.#kinds.length; ) {
      const end = this.#runEnd(first)
      visit(first, end - first, this.kind(first))
      first = end
    }
  }

  /** A run may be as long as the disk, and it is looked for while a writer waits: four pages at a time. */
  #runEnd(first: number): number {
    const [kinds, words] = [this.#kinds, this.#words]
    const kind = kinds[first]!
    const four = kind * 0x01010101
    let end = first + 1
    while (end < kinds.length && kinds[end] === kind) {
      if (end % 4 !== 0) end++
      else {
        let word = end / 4
        while (word < words.length && words[word] === four) word++
        if (word * 4 === end) end++
        else end = Math.min(word * 4, kinds.length)
      }
    }
    return end
  }

  /** One LEB128 number for each run: eight times its length less one, plus the kind. At most a byte for each page. */
  encode(): Uint8Array {
    const bytes: number[] = []
    this.forEachRun((_, count, kind) => {
      let value = (count - 1) * 8 + kind
      for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80)
      bytes.push(value)
    })
    return Uint8Array.from(bytes)
  }

  /** What {@link encode} wrote for as many pages; undefined for anything else. */
  static decode(bytes: Uint8Array, pageCount: number): PageMap | undefined {
    const map = new PageMap(pageCount)
    let page = 0
    let before: number | undefined
    for (let at = 0; at < bytes.length; ) {
      let value = 0
      let scale = 1
      for (;;) {
        const byte = bytes[at++]
        if (byte === undefined || scale > 2 ** 35) return undefined
        value += (byte & 0x7f) * scale
        if (byte < 0x80) {
          // Longer than it need be.
          if (byte === 0 && scale > 1) return undefined
          break
        }
        scale *= 0x80
      }
      const kind = value % 8
      const count = Math.floor(value / 8) + 1
      if (count > pageCount - page || kind > PAGE_KIND.void || kind === before) return undefined
      map.#kinds.fill(kind, page, page + count)
      page += count
      before = kind
    }
    return page === pageCount ? map : undefined
  }
}
