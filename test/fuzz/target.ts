/** One way that bytes of a stranger, or of a damaged disk, are read. */
export interface FuzzTarget {
  readonly name: string
  /** Well-formed inputs, where mutation begins. */
  readonly seeds: readonly Uint8Array[]
  /** Bytes that chance would not find. */
  readonly words?: readonly Uint8Array[]
  /** Reads `bytes`, which are not changed and not kept. Throws when they lead to something that no bytes may lead to. */
  run(bytes: Uint8Array): Promise<void> | void
}

/** A law that holds for all bytes. */
export function must(holds: boolean, law: string): asserts holds {
  if (!holds) throw new Error(`does not hold: ${law}`)
}

/** Both are the same bytes. */
export function mustEqual(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) === 0) return
  throw new Error(`${what}: ${hexOf(actual)} instead of ${hexOf(expected)}`)
}

/** One piece of all pieces. */
export function join(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces))
}

function hexOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 200)).toString('hex')
  return bytes.length > 200 ? `${text}… (${bytes.length} bytes)` : text
}
