import { type Random, seededRandom } from '../../src/async/random.ts'

/** A stretch of a disk that is not zero. `data` is borrowed until the next one. */
export interface DiskPart {
  readonly offset: number
  readonly data: Uint8Array
}

/** Bytes per part, and the grid on which files begin and end: what file systems call a cluster, times some. */
const PART_BYTES = 1 << 20
const CLUSTER_BYTES = 16 * 1024

/** Share of the disk in use: zeroes matter to a move, and a disk is rarely full. */
const SHARE_IN_USE = 0.55

const WORDS = 'ferry harbour rope tide island lantern engine deck anchor chart rudder wind keel bridge fog bell '

/**
 * The used part of a disk, front to back, from a seed: an area of metadata, then files of all lengths with free space between them;
 * some text, some that looks compressed.
 */
export function* diskImage(size: number, seed: number): Generator<DiskPart> {
  const random = seededRandom(seed)
  const buffer = new Uint8Array(Math.min(PART_BYTES, size))
  const text = textPattern(buffer.length)
  let offset = 0
  let length = Math.ceil(size / 64 / CLUSTER_BYTES) * CLUSTER_BYTES
  while (offset < size) {
    const end = Math.min(offset + length, size)
    const readable = random() < 0.3
    for (let at = offset; at < end; at += buffer.length) {
      const data = buffer.subarray(0, Math.min(buffer.length, end - at))
      if (readable) data.set(text.subarray(0, data.length))
      else fillNoise(data, (random() * 2 ** 32) | 1)
      // No two clusters are alike, or a block in the wrong place would go unnoticed.
      stampClusters(data, at)
      yield { offset: at, data }
    }
    offset = end + clusters(random, (1 - SHARE_IN_USE) / SHARE_IN_USE)
    length = clusters(random, 1)
  }
}

/** A length whose logarithm is even: many small files, few large ones. */
function clusters(random: Random, scale: number): number {
  return Math.max(1, Math.round(2 ** (random() * 8) * scale)) * CLUSTER_BYTES
}

function textPattern(length: number): Uint8Array {
  const words = new TextEncoder().encode(WORDS)
  return new Uint8Array(length).map((_, index) => words[index % words.length]!)
}

/** Xorshift by George Marsaglia, "Xorshift RNGs" (2003): good enough to look compressed and fast enough for a gigabyte. */
function fillNoise(data: Uint8Array, seed: number): void {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length >> 2)
  let state = seed
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[index] = state
  }
}

function stampClusters(data: Uint8Array, offset: number): void {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  for (let at = 0; at + 8 <= data.length; at += CLUSTER_BYTES) view.setFloat64(at, offset + at, true)
}
