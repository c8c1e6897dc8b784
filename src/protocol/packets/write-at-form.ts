import type { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'

/** The second byte of a `write-at`: how the bytes to be written are told. */
export const WRITE_FORM = {
  data: 0x00,
  hash: 0x01,
  rle: 0x02,
  youAlreadyHave: 0x03,
  gzip: 0x04,
  zeroes: 0x05,
} as const

/** Begins a `write-at` of `size` bytes: `02 | form u8 | …` */
export function beginWriteAt(form: number, size: number): ByteWriter {
  return new ByteWriter(size).u8(COMMAND.writeAt).u8(form)
}

/** What data, RLE and gzip have in common: an offset, and bytes to the end of the packet. */
export interface OffsetAndBytes {
  readonly offset: number
  /** A view of the payload. */
  readonly bytes: Uint8Array
}

/** Reads `offset i64 | bytes to the end`. */
export function readOffsetAndBytes(reader: ByteReader): OffsetAndBytes {
  return { offset: reader.u53(), bytes: reader.rest() }
}
