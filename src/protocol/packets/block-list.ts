import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { LISTED_BLOCKS } from '../limits.ts'

/** Writes `count u32 | count × block u32`. */
export function writeBlockList(writer: ByteWriter, blocks: Uint32Array): ByteWriter {
  writer.u32(blocks.length)
  for (let index = 0; index < blocks.length; index++) writer.u32(blocks[index]!)
  return writer
}

/** Reads what {@link writeBlockList} wrote, into an array of its own; the numbers may lie outside any device. */
export function readBlockList(reader: ByteReader): Uint32Array {
  const blocks = new Uint32Array(reader.count(4, LISTED_BLOCKS))
  for (let index = 0; index < blocks.length; index++) blocks[index] = reader.u32()
  return blocks
}
