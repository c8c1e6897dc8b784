import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'

/** Bytes of a SHA-256 digest, the only hash that the format knows. */
export const SHA256_BYTES = 32

/** Refuses what is not one digest; returns it. */
export function checkSha256(hash: Uint8Array): Uint8Array {
  if (hash.length !== SHA256_BYTES) throw new InvalidArgumentError('hash', `${SHA256_BYTES} bytes`, hash.length)
  return hash
}
