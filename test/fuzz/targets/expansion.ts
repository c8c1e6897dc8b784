import { decodeRle, decodeRleInto, rleLength } from '../../../src/protocol/packets/rle-decoder.ts'
import { encodeRle } from '../../../src/protocol/packets/rle-encoder.ts'
import { decodeZeroes, decodeZeroesInto } from '../../../src/protocol/packets/zeroes-decoder.ts'
import { encodeZeroes } from '../../../src/protocol/packets/zeroes-encoder.ts'
import { hex } from '../../protocol/packets/hex.ts'
import { settle, TEST_LIMIT } from '../../protocol/packets/outcome.ts'
import { plainRle, plainZeroes } from '../../protocol/packets/plain-encoders.ts'
import { allocatedBy } from '../allocation.ts'
import { type FuzzTarget, join, must, mustEqual } from '../target.ts'

/** Data up to this length is encoded, byte by byte too. */
const LONGEST_DATA = 2000

/**
 * Run lengths and zeroes, told apart by the first byte: tokens, segments with their length, or data to be encoded.
 * ```
 * | 0 | tokens      | 1 | length u16 | segments      | 2 | data
 * ```
 */
export const expansion: FuzzTarget = {
  name: 'expansion',
  seeds: [
    ...['0a00', '06010203 0901', '8180800401', 'feffffff0f 00'].map((tokens) => of(0, hex(tokens))),
    ...['0010 0204 0102', '0001', '0100 00020 7 0802 09'.replaceAll(' ', ''), 'ffff'].map((segments) =>
      of(1, hex(segments)),
    ),
    ...[
      new Uint8Array(40),
      Uint8Array.of(1, 1, 1, 1, 2, 0, 0, 0, 0, 0),
      hex('00'.repeat(12), '01', '00'.repeat(11)),
    ].map((data) => of(2, data)),
  ],
  words: [new Uint8Array(12), new Uint8Array(33), new Uint8Array(5).fill(0xff)],
  run(bytes) {
    const [kind, rest] = [bytes[0], bytes.subarray(1)]
    if (kind === 0) runLengths(rest)
    else if (kind === 1 && rest.length >= 2) zeroes(rest.subarray(2), rest[0]! | (rest[1]! << 8))
    else if (kind === 2) data(rest.subarray(0, LONGEST_DATA))
  },
}

function of(kind: number, rest: Uint8Array): Uint8Array {
  return join([Uint8Array.of(kind), rest])
}

function runLengths(tokens: Uint8Array): void {
  let decoded: Uint8Array | undefined
  const held = allocatedBy(() => {
    settle(() => {
      decoded = decodeRle(tokens, TEST_LIMIT)
    })
  })
  must(held <= TEST_LIMIT, `run lengths do not allocate ${held}`)
  const target = new Uint8Array(decoded?.length ?? 1000)
  const outcome = settle(() => {
    const length = decodeRleInto(tokens, target)
    must(decoded === undefined || length === decoded.length, 'both ways are as long')
  })
  must(decoded !== undefined || outcome !== 'value', 'what is refused is refused in both ways')
  if (!decoded) return
  must(held === decoded.length, `${decoded.length} bytes cost no ${held}`)
  must(rleLength(tokens, TEST_LIMIT) === decoded.length, 'the length is known before')
  mustEqual(target, decoded, 'run lengths into a target')
  // The plain reading of long data would take all the time.
  if (decoded.length <= LONGEST_DATA) data(decoded)
}

function zeroes(segments: Uint8Array, length: number): void {
  let decoded: Uint8Array | undefined
  const held = allocatedBy(() => {
    settle(() => {
      decoded = decodeZeroes(segments, length, TEST_LIMIT)
    })
  })
  must(held <= length, `${length} bytes with zeroes do not allocate ${held}`)
  const target = new Uint8Array(length).fill(0xff)
  const outcome = settle(() => decodeZeroesInto(segments, target))
  must((outcome === 'value') === (decoded !== undefined), 'both ways read the same')
  if (decoded) mustEqual(target, decoded, 'zeroes into a target')
}

/** At every alignment of the words under it, with other bytes around. */
function data(bytes: Uint8Array): void {
  const shift = bytes.length & 3
  const moved = new Uint8Array(bytes.length + 8).fill(0)
  moved.set(bytes, shift)
  const view = moved.subarray(shift, shift + bytes.length)
  const tokens = encodeRle(view)
  mustEqual(tokens, Uint8Array.from(plainRle(bytes)), 'run lengths')
  mustEqual(decodeRle(tokens, bytes.length), bytes, 'run lengths there and back')
  const segments = encodeZeroes(view)
  mustEqual(segments, Uint8Array.from(plainZeroes(bytes)), 'zeroes')
  mustEqual(decodeZeroes(segments, bytes.length, bytes.length), bytes, 'zeroes there and back')
}
