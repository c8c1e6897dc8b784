import { StorageError } from '../errors/storage-error.ts'

/** The two descriptions of a negotiated connection, as `localDescription.sdp` and `remoteDescription.sdp` have them. */
export interface SessionDescriptions {
  readonly local: string
  readonly remote: string
}

/**
 * The `binding` of a WebRTC channel: SHA-256 over the DTLS certificate fingerprints of both sides, the same on both. A rendezvous that puts
 * its own certificate between them gives each side another value, so a secret proved over it ends the attack.
 * `digest` replaces WebCrypto, which pages without TLS lack.
 * @throws StorageError `MALFORMED` when a description names no fingerprint, `NOT_SUPPORTED` without WebCrypto or `digest`
 */
export async function webRtcBinding(
  descriptions: SessionDescriptions,
  digest: (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array> = sha256,
): Promise<Uint8Array> {
  const sides = [descriptions.local, descriptions.remote].map(fingerprints)
  if (sides.includes('')) throw new StorageError('MALFORMED', 'A session description names no DTLS fingerprint.')
  return digest(new TextEncoder().encode(sides.sort().join('\n\n')))
}

/** All fingerprints of one side, each once: browsers differ in whether they stand once per session or once per medium. */
function fingerprints(sdp: string): string {
  const found = [...sdp.matchAll(/^a=fingerprint:([\w-]+) +([0-9a-f:]+)\s*$/gim)]
  const lines = found.map(([, algorithm, value]) => `${algorithm!.toLowerCase()} ${value!.toUpperCase()}`)
  return [...new Set(lines)].sort().join('\n')
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (!globalThis.crypto?.subtle) {
    throw new StorageError('NOT_SUPPORTED', 'A page without TLS has no SHA-256 of its own.')
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}
