import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'
import { OPTIONAL_ROOT_BYTES, readOptionalRoot, writeOptionalRoot } from './optional-root.ts'

/** The source is locked and has sent what it wants to send before the hand-over: is it all there, and flushed? Answered. */
export interface Prepare {
  readonly kind: 'prepare'
  /** The one the destination will own the disk with. */
  readonly epoch: number
  /** Blocks that will be sent after the hand-over. */
  readonly missingBlocks: number
  /** Of the whole disk, `ROOT_BYTES`; undefined where blocks are missing or nobody has looked. Decoded: a view. */
  readonly root: Uint8Array | undefined
}

/** It is, durably: the destination waits for the last word, and takes no block before it. */
export interface PrepareResponse {
  readonly kind: 'prepare-response'
  /** Of what is stored there. Decoded: a view. */
  readonly root: Uint8Array | undefined
}

/**
 * ```
 * 0    1           9                    17           18
 * | 4a | epoch u64 | missing blocks u64 | has root u8 | root 16 |
 * ```
 */
export function encodePrepare({ epoch, missingBlocks, root }: Prepare): EncodedPacket {
  const writer = new ByteWriter(17 + OPTIONAL_ROOT_BYTES).u8(COMMAND.prepare).u53(epoch).u53(missingBlocks)
  return headOnly(writeOptionalRoot(writer, root).done())
}

export function decodePrepare(payload: Uint8Array): Prepare {
  const reader = new ByteReader(payload, 'prepare')
  const epoch = reader.u53()
  const missingBlocks = reader.u53()
  const root = readOptionalRoot(reader)
  reader.end()
  return { kind: 'prepare', epoch, missingBlocks, root }
}

/** `ca | has root u8 | root 16` */
export function encodePrepareResponse({ root }: PrepareResponse): EncodedPacket {
  const writer = new ByteWriter(1 + OPTIONAL_ROOT_BYTES).u8(COMMAND.prepareResponse)
  return headOnly(writeOptionalRoot(writer, root).done())
}

export function decodePrepareResponse(payload: Uint8Array): PrepareResponse {
  const reader = new ByteReader(payload, 'prepare-response')
  const root = readOptionalRoot(reader)
  reader.end()
  return { kind: 'prepare-response', root }
}
