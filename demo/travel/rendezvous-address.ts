/// <reference types="vite/client" />
import { RENDEZVOUS_PATH } from '../../src/transports/pairing/rendezvous-messages.ts'

/**
 * Where pages that met nowhere else are introduced: the address that was given to the build, or the server of the page, which has a rendezvous where
 * `npm start` serves it. A page that was built without an address may lie on a server of files, which introduces nobody: undefined.
 */
export function rendezvousAddress(): URL | undefined {
  const given: unknown = import.meta.env.VITE_RENDEZVOUS
  if (typeof given === 'string' && given !== '') return new URL(given)
  if (!import.meta.env.DEV) return undefined
  const own = new URL(RENDEZVOUS_PATH, location.href)
  own.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
  return own
}
