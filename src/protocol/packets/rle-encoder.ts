import { ByteWriter, varintBytes } from '../byte-writer.ts'
import { EqualRuns } from './equal-runs.ts'

/** A run must be this long to become a token: shorter ones cost what they save. */
const RUN_BYTES = 4

/** A run that ends the data must be longer: so Silo's encoder does it. */
const LAST_RUN_BYTES = 5

/**
 * Tells `data` as runs of one byte and literals between them. The bytes are Silo's own, to the last one; random data grows by a few bytes.
 *
 * ```
 * token   | varint 2n + 1 | byte |   n times the byte
 *         | varint 2n | n bytes |    the bytes
 * ```
 * Reads `data` once; the result is a copy.
 */
export function encodeRle(data: Uint8Array): Uint8Array {
  const runs = findRuns(data)
  const writer = new ByteWriter(encodedBytes(data.length, runs))
  let literal = 0
  for (let index = 0; index < runs.length; index += 2) {
    const start = runs[index]!
    const end = runs[index + 1]!
    if (start > literal) writer.varint(2 * (start - literal)).part(data, literal, start)
    writer.varint(2 * (end - start) + 1).u8(data[start]!)
    literal = end
  }
  if (literal < data.length) writer.varint(2 * (data.length - literal)).part(data, literal, data.length)
  return writer.done()
}

/** Start and end of every run that becomes a token, one after the other. */
function findRuns(data: Uint8Array): number[] {
  const equal = new EqualRuns(data)
  const runs: number[] = []
  let at = 0
  // No run that counts begins before `at` and is not in the list. One that begins at `at`, `at + 1` or `at + 2` holds the neighbours
  // `at + 2` and `at + 3`, so these two say whether there is one.
  while (at + 3 < data.length) {
    const value = data[at + 3]!
    if (data[at + 2] !== value) {
      at += 3
      continue
    }
    let start = at + 2
    while (start > at && data[start - 1] === value) start--
    const end = equal.runEnd(value, at + 4)
    if (end - start >= (end === data.length ? LAST_RUN_BYTES : RUN_BYTES)) runs.push(start, end)
    at = end
  }
  return runs
}

function encodedBytes(length: number, runs: readonly number[]): number {
  const literalBytes = (bytes: number) => (bytes === 0 ? 0 : varintBytes(2 * bytes) + bytes)
  let size = 0
  let literal = 0
  for (let index = 0; index < runs.length; index += 2) {
    size += literalBytes(runs[index]! - literal) + varintBytes(2 * (runs[index + 1]! - runs[index]!) + 1) + 1
    literal = runs[index + 1]!
  }
  return size + literalBytes(length - literal)
}
