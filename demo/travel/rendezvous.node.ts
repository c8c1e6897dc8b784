import type { Server } from 'node:http'
import type { Plugin } from 'vite'
import { attachRendezvous } from '../../src/transports/pairing/rendezvous-server.node.ts'

/** Lets two pages meet on the port that serves them, in development and for the built page. */
export function rendezvousPlugin(): Plugin {
  return {
    name: 'blockferry-rendezvous',
    configureServer: (server) => attach(server.httpServer, () => server.resolvedUrls),
    configurePreviewServer: (server) => attach(server.httpServer, () => server.resolvedUrls),
  }
}

/** What both of Vite's servers have; without a server of its own, as within another program, there is nothing to attach to. */
function attach(
  server: { once(event: 'close', listener: () => void): unknown } | null,
  urls: () => { network: string[] } | null,
): void {
  if (!server) return
  // Over HTTP/2, which Vite uses with certificates, WebSockets still come as requests of HTTP/1.
  const rendezvous = attachRendezvous(server as Server, { addresses: () => urls()?.network ?? [] })
  server.once('close', () => rendezvous.close())
}
