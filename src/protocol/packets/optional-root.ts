import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { ROOT_BYTES } from './root.ts'

/** Bytes of a root hash that may be missing. */
export const OPTIONAL_ROOT_BYTES = 1 + ROOT_BYTES

/** Writes `has root u8 | root 16`, sixteen zero bytes for none. */
export function writeOptionalRoot(writer: ByteWriter, root: Uint8Array | undefined): ByteWriter {
  return writer.u8(root ? 1 : 0).bytes(root ?? new Uint8Array(ROOT_BYTES))
}

/** Reads what {@link writeOptionalRoot} wrote, as a view. */
export function readOptionalRoot(reader: ByteReader): Uint8Array | undefined {
  const has = reader.u8()
  if (has > 1) throw reader.error(`says ${has} for whether a root follows`)
  const root = reader.bytes(ROOT_BYTES)
  if (has === 1) return root
  if (root.some((byte) => byte !== 0)) throw reader.error('says there is no root, and brings one')
  return undefined
}
