import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { NAME_BYTES, SCHEMA_BYTES } from '../limits.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'
import { encodeText } from './text-bytes.ts'

/** Says what device is coming. Never answered. */
export interface DevInfo {
  readonly kind: 'dev-info'
  /** Bytes of the device, 0..2^53 - 1. */
  readonly size: number
  /** Bytes, at least 1; nothing else about it is promised. */
  readonly blockSize: number
  /** A stranger's text: to be shown, not to be used as a path. At most `NAME_BYTES` of UTF-8. */
  readonly name: string
  /** Empty, or the text of one device in Silo's configuration language. A stranger's text. At most `SCHEMA_BYTES`. */
  readonly schema: string
}

/**
 * ```
 * 0    1          9                13                15       15 + n              19 + n
 * | 06 | size u64 | block size u32 | name length u16 | name n | schema length u32 | schema |
 * ```
 */
export function encodeDevInfo({ size, blockSize, name, schema }: DevInfo): EncodedPacket {
  const nameBytes = encodeText('name', name, NAME_BYTES)
  const schemaBytes = encodeText('schema', schema, SCHEMA_BYTES)
  const writer = new ByteWriter(19 + nameBytes.length + schemaBytes.length)
  writer.u8(COMMAND.devInfo).u53(size).u32(blockSize)
  writer.u16(nameBytes.length).bytes(nameBytes)
  return headOnly(writer.u32(schemaBytes.length).bytes(schemaBytes).done())
}

export function decodeDevInfo(payload: Uint8Array): DevInfo {
  const reader = new ByteReader(payload, 'dev-info')
  const size = reader.u53()
  const blockSize = reader.u32()
  if (blockSize === 0) throw reader.error('has a block size of 0')
  const name = reader.text(reader.u16(), NAME_BYTES)
  const schema = reader.text(reader.u32(), SCHEMA_BYTES)
  reader.end()
  return { kind: 'dev-info', size, blockSize, name, schema }
}
