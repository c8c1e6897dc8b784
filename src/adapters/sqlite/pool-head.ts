import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'

/** Who made a pool of OPFS files. They differ in how they guard the head of a file. */
export type PoolKind = 'official' | 'wa-sqlite'

const PATH_BYTES = 512
const GUARDED_BYTES = PATH_BYTES + 4
const HEAD_BYTES = GUARDED_BYTES + 8

/** What SQLite was asked for when the file was made: a main database, to be read, written and created. */
const DATABASE_FLAGS = 0x106

/** The official build guards the path of files with this flag; older ones have a digest of zero. */
const OFFICIAL_GUARDED = 0x80

/**
 * ```
 *   0            512           516         524      4096
 *   | path, UTF-8 | flags, big-endian | digest | zero | content ──►
 * ```
 * An empty path is a free file.
 */
export function poolHead(kind: PoolKind, path: string): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES)
  const { written } = new TextEncoder().encodeInto(path, head.subarray(0, PATH_BYTES))
  if (written >= PATH_BYTES - 1)
    throw new InvalidArgumentError('path', `a path of at most ${PATH_BYTES - 2} bytes`, path)
  const flags = path === '' ? 0 : DATABASE_FLAGS | (kind === 'official' ? OFFICIAL_GUARDED : 0)
  const view = new DataView(head.buffer)
  view.setUint32(PATH_BYTES, flags)
  const [low, high] = digestOf(kind, head.subarray(0, GUARDED_BYTES), flags)
  view.setUint32(GUARDED_BYTES, low, true)
  view.setUint32(GUARDED_BYTES + 4, high, true)
  return head
}

/** The path of a file; undefined for a free one, and for one whose head is not whole. */
export function readPoolHead(kind: PoolKind, head: Uint8Array): string | undefined {
  if (head.length < HEAD_BYTES || head[0] === 0) return undefined
  const view = new DataView(head.buffer, head.byteOffset)
  const [low, high] = digestOf(kind, head.subarray(0, GUARDED_BYTES), view.getUint32(PATH_BYTES))
  if (view.getUint32(GUARDED_BYTES, true) !== low || view.getUint32(GUARDED_BYTES + 4, true) !== high) return undefined
  return new TextDecoder().decode(head.subarray(0, head.indexOf(0)))
}

/** As the two programs compute it: products of words, each byte added to both. */
function digestOf(kind: PoolKind, bytes: Uint8Array, flags: number): readonly [low: number, high: number] {
  if (kind === 'official') {
    if (!(flags & OFFICIAL_GUARDED)) return [0, 0]
    return mix(bytes, 0x41c6ce57, 104_729)
  }
  if (bytes[0] === 0) return [0xfecc5f80, 0xaccec037]
  const [first, second] = mix(bytes, 0x41c6ce57, 1_597_334_677)
  const low = Math.imul(first ^ (first >>> 16), 2_246_822_507) ^ Math.imul(second ^ (second >>> 13), 3_266_489_909)
  const high = Math.imul(second ^ (second >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  return [low >>> 0, high >>> 0]
}

function mix(bytes: Uint8Array, seed: number, factor: number): readonly [first: number, second: number] {
  let first = 0xdeadbeef
  let second = seed
  for (const byte of bytes) {
    first = Math.imul(first ^ byte, 2_654_435_761)
    second = Math.imul(second ^ byte, factor)
  }
  return [first >>> 0, second >>> 0]
}
