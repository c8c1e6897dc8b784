import { STRING_BYTES } from './limits.ts'

/** An option whose data does not have the agreed form; the client is told, and may go on with another one. */
export class OptionFormatError extends Error {}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads the data of one option from front to back; whatever would pass its end is an {@link OptionFormatError}. */
class OptionData {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  /** A string whose length comes before it. */
  string(): string {
    const length = this.u32()
    const from = this.#take(length)
    return decodeString(this.#bytes.subarray(from, from + length))
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new OptionFormatError('there is data behind the last field')
  }

  #take(length: number): number {
    if (length > this.#bytes.length - this.#at) throw new OptionFormatError('the data ends too early')
    this.#at += length
    return this.#at - length
  }
}

/** Text of a client: UTF-8 of at most `STRING_BYTES`, without a NUL. */
export function decodeString(bytes: Uint8Array): string {
  if (bytes.length > STRING_BYTES) throw new OptionFormatError(`a string has more than ${STRING_BYTES} bytes`)
  if (bytes.includes(0)) throw new OptionFormatError('a string contains NUL')
  try {
    return decoder.decode(bytes)
  } catch {
    throw new OptionFormatError('a string is not UTF-8')
  }
}

/**
 * Data of `INFO` and `GO`.
 * ```
 *   length u32 | export name | count u16 | information wanted u16 * count
 * ```
 */
export function decodeInfoRequest(bytes: Uint8Array): { name: string; wanted: ReadonlySet<number> } {
  const data = new OptionData(bytes)
  const name = data.string()
  const wanted = new Set<number>()
  for (let left = data.u16(); left > 0; left--) wanted.add(data.u16())
  data.end()
  return { name, wanted }
}

/**
 * Data of `LIST_META_CONTEXT` and `SET_META_CONTEXT`.
 * ```
 *   length u32 | export name | count u32 | (length u32 | query) * count
 * ```
 */
export function decodeContextQuery(bytes: Uint8Array): { name: string; queries: readonly string[] } {
  const data = new OptionData(bytes)
  const name = data.string()
  const queries: string[] = []
  // A count that promises more than there is ends at the first string that is not there.
  for (let left = data.u32(); left > 0; left--) queries.push(data.string())
  data.end()
  return { name, queries }
}
