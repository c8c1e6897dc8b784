import { toBase64Url } from '../../src/transports/pairing/base64url.ts'
import { sha256 } from '../../src/transports/pairing/invitation.ts'
import { SECRET_BYTES } from '../../src/transports/pairing/limits.ts'

/**
 * The secret by which two sides meet again after their connection was lost. Both make it of the secret they have proved to each other and of what
 * only this connection said, so a link that somebody saw later does not lead there.
 */
export async function againSecret(secret: Uint8Array, session: Uint8Array): Promise<string> {
  const prefix = new TextEncoder().encode('blockferry demo, again\0')
  const digest = await sha256(Uint8Array.from([...prefix, ...secret, ...session]))
  return toBase64Url(digest.subarray(0, SECRET_BYTES))
}
