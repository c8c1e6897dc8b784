import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'

/** Bytes of HMAC-SHA-256. */
export const PROOF_BYTES = 32

/** Shows that this side knows the shared secret, see `secret-proof.ts`. Device 0, once, after both hellos. Never answered. */
export interface Proof {
  readonly kind: 'proof'
  /** `PROOF_BYTES`; decoded: a view. */
  readonly mac: Uint8Array
}

/** `41 | mac 32` */
export function encodeProof({ mac }: Proof): EncodedPacket {
  return headOnly(new ByteWriter(1 + PROOF_BYTES).u8(COMMAND.proof).bytes(mac).done())
}

export function decodeProof(payload: Uint8Array): Proof {
  const reader = new ByteReader(payload, 'proof')
  const mac = reader.bytes(PROOF_BYTES)
  reader.end()
  return { kind: 'proof', mac }
}
