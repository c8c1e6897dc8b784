import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket, headOnly } from './encoded-packet.ts'
import { OPTIONAL_ROOT_BYTES, readOptionalRoot, writeOptionalRoot } from './optional-root.ts'

/** After a hand-over with missing blocks: all have been sent or taken over. Is nothing missing any more? Answered. */
export interface Complete {
  readonly kind: 'complete'
  /** Of the whole disk as of the hand-over, `ROOT_BYTES`; undefined where nobody has looked. Decoded: a view. */
  readonly root: Uint8Array | undefined
}

/** All is there and flushed: the source is not needed any more. */
export interface CompleteResponse {
  readonly kind: 'complete-response'
}

/** `4d | has root u8 | root 16` */
export function encodeComplete({ root }: Complete): EncodedPacket {
  return headOnly(writeOptionalRoot(new ByteWriter(1 + OPTIONAL_ROOT_BYTES).u8(COMMAND.complete), root).done())
}

export function decodeComplete(payload: Uint8Array): Complete {
  const reader = new ByteReader(payload, 'complete')
  const root = readOptionalRoot(reader)
  reader.end()
  return { kind: 'complete', root }
}

/** `cd` */
export function encodeCompleteResponse(): EncodedPacket {
  return commandOnly(COMMAND.completeResponse)
}

export function decodeCompleteResponse(payload: Uint8Array): CompleteResponse {
  new ByteReader(payload, 'complete-response').end()
  return { kind: 'complete-response' }
}
