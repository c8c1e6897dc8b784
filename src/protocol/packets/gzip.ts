import { StorageError } from '../../errors/storage-error.ts'
import { DECODED_BYTES, INFLATE_BYTES } from '../limits.ts'

/** Header and trailer of the shortest member, around an empty deflate stream of two bytes. */
const SMALLEST_MEMBER_BYTES = 20

/** Deflate tells at most 258 bytes in two bits, see RFC 1951, 3.2.5. */
const LARGEST_GROWTH = 1032

/** `data` as one gzip member. The bytes differ between platforms. `data` may be changed as soon as this returns. */
export async function encodeGzip(data: Uint8Array): Promise<Uint8Array> {
  if (typeof CompressionStream === 'undefined') throw new StorageError('NOT_SUPPORTED')
  const pieces: Uint8Array[] = []
  // Copied, since memory of WebAssembly may be replaced while the stream still reads.
  await pump(new CompressionStream('gzip'), data.slice(), data.length, (piece) => pieces.push(piece))
  const member = new Uint8Array(pieces.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const piece of pieces) {
    member.set(piece, at)
    at += piece.length
  }
  return member
}

/**
 * The bytes in one gzip member. Its last four bytes say how many there are; they are believed only as an upper bound, and inflating stops
 * as soon as there are more. Several members one after the other, which the format of gzip allows and no known peer sends, are refused,
 * since browsers cannot read them.
 *
 * `member` is borrowed until the promise settles and must not be memory of WebAssembly, which may be replaced meanwhile.
 * @throws StorageError `LIMIT_EXCEEDED` for more than `limit` bytes, before anything is allocated; `MALFORMED` for what is not one whole member.
 */
export async function decodeGzip(member: Uint8Array, limit = DECODED_BYTES): Promise<Uint8Array> {
  if (typeof DecompressionStream === 'undefined') throw new StorageError('NOT_SUPPORTED')
  const length = statedLength(member)
  const context = { packet: 'write-at', bytes: member.length, stated: length, limit }
  if (member.length < SMALLEST_MEMBER_BYTES || length > member.length * LARGEST_GROWTH) {
    throw new StorageError('MALFORMED', 'A gzip member cannot be as short as it is.', { context })
  }
  if (length > limit) throw new StorageError('LIMIT_EXCEEDED', 'A gzip member says it is too long.', { context })
  const target = new Uint8Array(length)
  let at = 0
  try {
    await pump(new DecompressionStream('gzip'), member, INFLATE_BYTES, (piece) => {
      if (piece.length > length - at) throw new RangeError('longer than it says')
      target.set(piece, at)
      at += piece.length
    })
  } catch (cause) {
    throw new StorageError('MALFORMED', 'A gzip member cannot be inflated.', { cause, context })
  }
  if (at < length) throw new StorageError('MALFORMED', 'A gzip member is shorter than it says.', { context })
  return target
}

/** The length that the trailer states, modulo 2^32; 0 where there is none. */
function statedLength(member: Uint8Array): number {
  if (member.length < 4) return 0
  const [a, b, c, d] = member.subarray(-4)
  return (a! | (b! << 8) | (c! << 16) | (d! << 24)) >>> 0
}

/** Sends `input` through a stream, `step` bytes at a time, each when the one before has been dealt with; hands on what comes out. */
async function pump(
  { readable, writable }: CompressionStream | DecompressionStream,
  input: Uint8Array,
  step: number,
  take: (piece: Uint8Array) => void,
): Promise<void> {
  const writer = writable.getWriter()
  const reader = readable.getReader()
  const feed = async () => {
    for (let at = 0; at < input.length; at += step) {
      await writer.write(input.subarray(at, at + step) as Uint8Array<ArrayBuffer>)
    }
    await writer.close()
  }
  const fed = feed()
  // Its failure is also that of the reader, or it follows from the cancel below.
  fed.catch(() => {})
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) take(next.value)
    await fed
  } catch (error) {
    await Promise.allSettled([reader.cancel(error), writer.abort(error)])
    throw error
  }
}
