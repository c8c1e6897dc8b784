import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { NONCE_BYTES } from './packets/hello.ts'

/** Who began the connection, and who was waiting for it. The two prove different things, so that a proof sent back proves nothing. */
export type ConnectionRole = 'dialer' | 'listener'

/** Bytes of the shortest secret taken: 128 bits, since what is shorter can be guessed. */
export const SECRET_BYTES = 16

/** What both sides know of a connection when they prove their secret. */
export interface ProofContext {
  readonly role: ConnectionRole
  /** The whole hello packets, so that nobody between can change what was offered. */
  readonly dialerHello: Uint8Array
  readonly listenerHello: Uint8Array
  /** The channel's binding, empty where it has none. */
  readonly binding: Uint8Array
}

/**
 * The proof of one role: HMAC-SHA-256 with the secret over everything both sides have seen.
 *
 * ```
 * HMAC( secret, "blockferry/1 " | role | 00 | dialer hello | listener hello | binding )
 * ```
 * Hellos have a fixed length and fresh nonces of both sides, so a proof is good for one connection only.
 */
export async function proveSecret(secret: Uint8Array, context: ProofContext): Promise<Uint8Array> {
  if (secret.length < SECRET_BYTES)
    throw new InvalidArgumentError('secret', `at least ${SECRET_BYTES} bytes`, secret.length)
  // Not WebCrypto: pages that were not loaded over HTTPS have none.
  const { createHMAC, createSHA256 } = await import('hash-wasm')
  const mac = await createHMAC(createSHA256(), secret)
  mac.update(new TextEncoder().encode(`blockferry/1 ${context.role}\0`))
  return mac.update(context.dialerHello).update(context.listenerHello).update(context.binding).digest('binary')
}

/** Compares two proofs in a time that does not tell where they differ. */
export function sameProof(ours: Uint8Array, theirs: Uint8Array): boolean {
  if (ours.length !== theirs.length) return false
  let difference = 0
  for (let index = 0; index < ours.length; index++) difference |= ours[index]! ^ theirs[index]!
  return difference === 0
}

/** Fresh random bytes. */
export function createNonce(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
}
