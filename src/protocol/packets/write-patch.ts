import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { PATCHED_BLOCKS } from '../limits.ts'
import { COMMAND } from './commands.ts'
import type { EncodedPacket } from './encoded-packet.ts'

/** Bytes of a piece: what file systems and databases write at least, and an eighth to a sixteenth of the usual blocks. */
export const PIECE_BYTES = 4096

/** Bytes of a digest of a whole block. */
const DIGEST_BYTES = 16

/**
 * Neighbouring blocks of which the peer has an older copy that was voided: only the pieces that are different now. Whole digests of what the blocks become
 * say whether the peer's copy was the one that is meant; if not, nothing is stored, the answer is `DAMAGED`, and the blocks are sent whole. Otherwise
 * answered as `write-at`. Only to a peer that offers to patch.
 */
export interface WritePatch {
  readonly kind: 'write-patch'
  /** As in `write-newer`. */
  readonly generation: number
  /** Where the first block begins. */
  readonly offset: number
  /** Of what the blocks become, 16 bytes for each of one or more; decoded: a view. */
  readonly digests: Uint8Array
  /** For each block as many bytes: piece i of the block follows if bit i % 8 of byte i / 8 is set. Decoded: a view. */
  readonly maps: Uint8Array
  /** The pieces one after the other, the last one of the disk as short as it is. Borrowed; decoded: a view. */
  readonly data: Uint8Array
}

/**
 * ```
 * 0    1                5            13      17      19
 * | 4f | generation u32 | offset i64 | n u32 | m u16 | n digests of 16 bytes | n maps of m bytes | pieces to the end
 * ```
 */
export function encodeWritePatch({ generation, offset, digests, maps, data }: WritePatch): EncodedPacket {
  const blocks = digests.length / DIGEST_BYTES
  const writer = new ByteWriter(19 + digests.length + maps.length).u8(COMMAND.writePatch).u32(generation).u53(offset)
  writer.u32(blocks).u16(maps.length / blocks)
  return { head: writer.bytes(digests).bytes(maps).done(), data }
}

export function decodeWritePatch(payload: Uint8Array): WritePatch {
  const reader = new ByteReader(payload, 'write-patch')
  const generation = reader.u32()
  const offset = reader.u53()
  const blocks = reader.count(DIGEST_BYTES, PATCHED_BLOCKS)
  if (blocks === 0) throw reader.error('has no blocks')
  const mapBytes = reader.u16()
  const digests = reader.bytes(blocks * DIGEST_BYTES)
  const maps = reader.bytes(blocks * mapBytes)
  return { kind: 'write-patch', generation, offset, digests, maps, data: reader.rest() }
}
