import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP relay in front of a server. */
export interface Relay {
  readonly port: number
  /** Resets every connection that goes through it, at both ends. */
  cut(): void
  close(): void
}

/** Passes connections on to a port of this machine, their ends and resets as well. */
export async function relayTo(port: number): Promise<Relay> {
  const sockets = new Set<Socket>()
  const relay = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    near.pipe(far).pipe(near)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.resetAndDestroy())
      socket.on('close', () => sockets.delete(socket))
    }
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return { port: (relay.address() as AddressInfo).port, cut, close: () => relay.close() }
}
