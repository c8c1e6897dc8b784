import { ByteWriter, varintBytes } from '../byte-writer.ts'
import { EqualRuns } from './equal-runs.ts'

/** A gap of fewer zeroes than this stays inside a segment. Any number from 4 up would decode; this one is Silo's. */
const GAP_BYTES = 12

/**
 * Finds the parts of `data` that are not zero: segments from a non-zero byte to the next gap of twelve zeroes, or to the zeroes that end
 * the data. The bytes are Silo's own, to the last one; all zero gives no bytes at all.
 *
 * ```
 * | start zig-zag varint | length zig-zag varint | bytes | and again
 * ```
 * Reads `data` once; the result is a copy.
 */
export function encodeZeroes(data: Uint8Array): Uint8Array {
  const runs = new EqualRuns(data)
  const segments: number[] = []
  let size = 0
  for (let start = runs.runEnd(0, 0); start < data.length; start = runs.gapEnd) {
    const end = runs.nextGap(GAP_BYTES, start)
    segments.push(start, end)
    size += varintBytes(2 * start) + varintBytes(2 * (end - start)) + end - start
  }
  const writer = new ByteWriter(size)
  for (let index = 0; index < segments.length; index += 2) {
    const start = segments[index]!
    const end = segments[index + 1]!
    // Zig-zag of a number that is not negative is its double.
    writer
      .varint(2 * start)
      .varint(2 * (end - start))
      .part(data, start, end)
  }
  return writer.done()
}
