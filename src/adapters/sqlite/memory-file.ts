/** A file that ends with the worker: what SQLite keeps aside while it works. */
export class MemoryFile {
  #bytes = new Uint8Array(0)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Bytes past the end read as zero; returns how many were before it. */
  read(target: Uint8Array, offset: number): number {
    const length = Math.max(0, Math.min(target.length, this.#length - offset))
    target.set(this.#bytes.subarray(offset, offset + length))
    target.fill(0, length)
    return length
  }

  write(data: Uint8Array, offset: number): void {
    const end = offset + data.length
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2, 4096))
      grown.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = grown
    }
    // What lay behind an earlier end must not come to light.
    if (offset > this.#length) this.#bytes.fill(0, this.#length, offset)
    this.#bytes.set(data, offset)
    this.#length = Math.max(this.#length, end)
  }

  truncate(length: number): void {
    this.#length = Math.min(this.#length, length)
  }
}
