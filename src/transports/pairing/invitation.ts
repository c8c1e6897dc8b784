import { fromBase64Url, toBase64Url } from './base64url.ts'
import { ROOM_BYTES, SECRET_BYTES } from './limits.ts'

/** What two sides share before they meet: one made it, the other got it by a link, a QR code, or by hand. */
export interface Invitation {
  /** `SECRET_BYTES` that only the two know; proved over the connection, never sent. */
  readonly secret: Uint8Array<ArrayBuffer>
  /** Where they meet. Follows from the secret by a hash, so that who keeps the rooms learns nothing of it. */
  readonly room: string
}

/** Makes an invitation with a fresh secret. One is good for one meeting. */
export function createInvitation(): Promise<Invitation> {
  return invitationOf(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)))
}

/**
 * The link of an invitation: a page's address with the secret in its fragment, the one part that browsers do not send to servers.
 *
 * ```
 * http://host/page#ferry=Zm9yIHRoZSBib2F0IQ
 * ```
 */
export function invitationLink(page: string | URL, { secret }: Invitation): string {
  const url = new URL(page)
  url.search = ''
  url.hash = `ferry=${toBase64Url(secret)}`
  return url.href
}

/** Reads the invitation from a link or its fragment; undefined when there is none or it is damaged. */
export async function readInvitation(link: string): Promise<Invitation | undefined> {
  const [, text] = /#ferry=([\w-]+)$/.exec(link) ?? []
  const secret = text === undefined ? undefined : fromBase64Url(text)
  return secret?.length === SECRET_BYTES ? invitationOf(secret) : undefined
}

async function invitationOf(secret: Uint8Array<ArrayBuffer>): Promise<Invitation> {
  const prefix = new TextEncoder().encode('blockferry room\0')
  const input = new Uint8Array(prefix.length + secret.length)
  input.set(prefix)
  input.set(secret, prefix.length)
  const digest = await sha256(input)
  return { secret, room: toBase64Url(digest.subarray(0, ROOM_BYTES)) }
}

/** SHA-256 also where WebCrypto is missing: on pages that came over plain HTTP, as from a machine in the same network. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  const { createSHA256 } = await import('hash-wasm')
  return (await createSHA256()).update(bytes).digest('binary')
}
