import { join, must } from './target.ts'

/** Slices of one stream; the last one is all that is left, so that a long stream takes no long run. */
const SLICES = 64

/**
 * A stream and where it is cut, both from one input, so that a fuzzer learns where to cut:
 * ```
 * | cuts u8 | slice length u8 each, 0 for 1, over and over | the stream
 * ```
 */
export function readCuts(bytes: Uint8Array): { stream: Uint8Array; slices: Uint8Array[] } {
  const count = bytes[0] ?? 0
  const lengths = [...bytes.subarray(1, 1 + count)].map((length) => length || 1)
  const stream = bytes.subarray(1 + count)
  const slices: Uint8Array[] = []
  for (let at = 0; at < stream.length; ) {
    const rest = stream.length - at
    const end = at + (slices.length < SLICES - 1 ? (lengths[slices.length % lengths.length] ?? rest) : rest)
    // A copy: what lies around a slice must not matter.
    slices.push(stream.slice(at, end))
    at = end
  }
  return { stream, slices }
}

/** An input of {@link readCuts}. */
export function withCuts(lengths: readonly number[], stream: Uint8Array): Uint8Array {
  must(lengths.length < 256, 'fewer than 256 cuts')
  return join([Uint8Array.of(lengths.length, ...lengths), stream])
}
