/**
 * Finds where bytes stop being equal, four at a time where they lie so: the 32-bit words of the buffer under `data`, wherever the view
 * begins. Reads only; the view must stay attached while it is used.
 *
 * ```
 * data    . . . . . . . . . . . . .      length 13, byteOffset 3 mod 4
 * words   - [ 0   ] [ 1   ] [ 2   ]      #start 1, so word w begins at byte 1 + 4w
 * ```
 */
export class EqualRuns {
  readonly #data: Uint8Array
  readonly #words: Int32Array
  /** Byte of `data` at which the first whole word begins, 0..3. */
  readonly #start: number
  /** Where the gap that {@link nextGap} found ends. */
  gapEnd = 0

  constructor(data: Uint8Array) {
    this.#data = data
    this.#start = -data.byteOffset & 3
    const count = Math.max(0, data.length - this.#start) >> 2
    this.#words = new Int32Array(data.buffer, count === 0 ? 0 : data.byteOffset + this.#start, count)
  }

  /** The first byte at or after `from` that is not `value`, or the length. */
  runEnd(value: number, from: number): number {
    const data = this.#data
    const words = this.#words
    const start = this.#start
    let at = from
    for (; ((at - start) & 3) !== 0; at++) if (data[at] !== value) return Math.min(at, data.length)
    const pattern = Math.imul(value, 0x01010101)
    const count = words.length
    let word = (at - start) >> 2
    while (word + 4 <= count) {
      const a = (words[word]! ^ pattern) | (words[word + 1]! ^ pattern)
      const b = (words[word + 2]! ^ pattern) | (words[word + 3]! ^ pattern)
      if ((a | b) !== 0) break
      word += 4
    }
    while (word < count && words[word] === pattern) word++
    at = start + word * 4
    while (at < data.length && data[at] === value) at++
    return at
  }

  /**
   * The first zero at or after `from` of at least `minimum` (11 or more) zeroes, or of those that end the data however few; the length if
   * there is no such gap. Its end is left in {@link gapEnd}.
   */
  nextGap(minimum: number, from: number): number {
    const data = this.#data
    const words = this.#words
    let word = (from - this.#start + 3) >> 2
    while (word < words.length) {
      // Eleven zeroes hold two whole words in a row wherever they begin, so every second word is looked at.
      if (words[word] !== 0) {
        word += 2
        continue
      }
      let gap = this.#start + word * 4
      const end = this.runEnd(0, gap)
      while (gap > from && data[gap - 1] === 0) gap--
      if (end - gap >= minimum || end === data.length) {
        this.gapEnd = end
        return gap
      }
      word = (end - this.#start + 3) >> 2
    }
    let gap = data.length
    while (gap > from && data[gap - 1] === 0) gap--
    this.gapEnd = data.length
    return gap
  }
}
