import type { Party } from './signalling.ts'

/** The WebSocket subprotocol of a rendezvous. A slash may not stand in one. */
export const RENDEZVOUS_PROTOCOL = 'blockferry-rendezvous.1'

/** The path at which a server that also serves something else answers. */
export const RENDEZVOUS_PATH = '/rendezvous'

/** Why a rendezvous ends a connection: close codes of the WebSocket, from the range that is free for applications. */
export const CLOSE_CODE = {
  malformed: 4400,
  noSuchRoom: 4404,
  expired: 4408,
  taken: 4409,
  partnerLeft: 4410,
  tooMuch: 4429,
  full: 4503,
} as const

/**
 * What a client says, all of it JSON text: first `{"room": "…", "as": "host" or "guest"}`, then `{"message": "…"}`.
 */
export type ToRendezvous =
  | { readonly type: 'enter'; readonly room: string; readonly as: Party }
  | { readonly type: 'message'; readonly message: string }

/**
 * What a rendezvous says: `{"state": "waiting", "addresses": ["…"]}` to a host in its new room, `{"state": "together"}` to a guest, and to both
 * `{"message": "…"}` from the other.
 */
export type FromRendezvous =
  | { readonly type: 'waiting'; readonly addresses: readonly string[] }
  | { readonly type: 'together' }
  | { readonly type: 'message'; readonly message: string }

/** A room as {@link Invitation} names it; 128 bits. */
const ROOM = /^[\w-]{22}$/

/** Reads what a client sent; undefined when it has another form. */
export function readToRendezvous(text: string): ToRendezvous | undefined {
  const { room, as, message } = fields(text)
  if (typeof message === 'string') return { type: 'message', message }
  if (typeof room !== 'string' || !ROOM.test(room) || (as !== 'host' && as !== 'guest')) return undefined
  return { type: 'enter', room, as }
}

/** Reads what a rendezvous sent; undefined when it has another form. */
export function readFromRendezvous(text: string): FromRendezvous | undefined {
  const { state, addresses, message } = fields(text)
  if (typeof message === 'string') return { type: 'message', message }
  if (state === 'together') return { type: 'together' }
  if (state !== 'waiting') return undefined
  const texts = Array.isArray(addresses) ? addresses.filter((address) => typeof address === 'string') : []
  return {
    type: 'waiting',
    addresses: texts.filter((address) => /^https?:\/\//.test(address) && URL.canParse(address)).slice(0, 8),
  }
}

function fields(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
