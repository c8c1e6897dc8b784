import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { ALTERNATE_SOURCES, LOCATION_BYTES } from '../limits.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'
import { checkSha256, SHA256_BYTES } from './sha256.ts'
import { encodeText } from './text-bytes.ts'

/** Bytes of the device that can be had somewhere else too. */
export interface AlternateSource {
  readonly offset: number
  /** Bytes, 0..2^53 - 1. */
  readonly length: number
  /** SHA-256 of these bytes. Decoded: a view of the payload. */
  readonly hash: Uint8Array
  /** Where: with Silo endpoint, bucket and name with spaces between. A stranger's text, at most `LOCATION_BYTES`. */
  readonly location: string
}

/** Says which blocks need not be sent, as an object store has them. Never answered. */
export interface AlternateSources {
  readonly kind: 'alternate-sources'
  readonly sources: readonly AlternateSource[]
}

const FIXED_BYTES = 8 + 8 + SHA256_BYTES + 4

/**
 * ```
 * 0    1           5
 * | 0c | count u32 | count × { offset i64, length i64, SHA-256, location length u32, location } |
 * ```
 */
export function encodeAlternateSources({ sources }: AlternateSources): EncodedPacket {
  const locations = sources.map(({ location }) => encodeText('location', location, LOCATION_BYTES))
  const writer = new ByteWriter(locations.reduce((size, { length }) => size + FIXED_BYTES + length, 5))
  writer.u8(COMMAND.alternateSources).u32(sources.length)
  for (const [index, { offset, length, hash }] of sources.entries()) {
    const location = locations[index]!
    writer.u53(offset).u53(length).bytes(checkSha256(hash)).u32(location.length).bytes(location)
  }
  return headOnly(writer.done())
}

export function decodeAlternateSources(payload: Uint8Array): AlternateSources {
  const reader = new ByteReader(payload, 'alternate-sources')
  const count = reader.count(FIXED_BYTES, ALTERNATE_SOURCES)
  const sources: AlternateSource[] = []
  for (let index = 0; index < count; index++) {
    const offset = reader.u53()
    const length = reader.u53()
    const hash = reader.bytes(SHA256_BYTES)
    sources.push({ offset, length, hash, location: reader.text(reader.u32(), LOCATION_BYTES) })
  }
  reader.end()
  return { kind: 'alternate-sources', sources }
}
