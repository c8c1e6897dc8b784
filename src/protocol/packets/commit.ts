import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket, headOnly } from './encoded-packet.ts'

/** The source has given the disk away for good: the destination owns it from here on. Said again after a loss. Answered. */
export interface Commit {
  readonly kind: 'commit'
  /** As in `prepare`. */
  readonly epoch: number
}

/** The disk is the destination's, durably. */
export interface CommitResponse {
  readonly kind: 'commit-response'
}

/** `4b | epoch u64` */
export function encodeCommit({ epoch }: Commit): EncodedPacket {
  return headOnly(new ByteWriter(9).u8(COMMAND.commit).u53(epoch).done())
}

export function decodeCommit(payload: Uint8Array): Commit {
  const reader = new ByteReader(payload, 'commit')
  const epoch = reader.u53()
  reader.end()
  return { kind: 'commit', epoch }
}

/** `cb` */
export function encodeCommitResponse(): EncodedPacket {
  return commandOnly(COMMAND.commitResponse)
}

export function decodeCommitResponse(payload: Uint8Array): CommitResponse {
  new ByteReader(payload, 'commit-response').end()
  return { kind: 'commit-response' }
}
