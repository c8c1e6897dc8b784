import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { systemClock } from '../../src/async/clock.ts'

/** A link between two processes that carries so much and no more. */
export interface SlowLink {
  readonly port: number
  /** Bytes that came back from behind it so far. */
  readonly carried: number
  /** From now on it carries all that comes. */
  openUp(): void
  close(): void
}

/** Bytes carried at once. */
const STEP_BYTES = 65536

/** Listens on loopback and passes connections on to a port; what comes back from there comes at this rate. */
export async function slowLink(port: number, bytesPerSecond: number): Promise<SlowLink> {
  const sockets = new Set<Socket>()
  let isOpen = false
  let carried = 0
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    near.pipe(far)
    void carry(far, near)
  })
  const carry = async (from: Socket, to: Socket) => {
    try {
      for await (const chunk of from) {
        for (let at = 0; at < chunk.length; at += STEP_BYTES) {
          const piece = chunk.subarray(at, at + STEP_BYTES)
          if (!to.write(piece)) await once(to, 'drain')
          carried += piece.length
          if (!isOpen) await systemClock.sleep((piece.length / bytesPerSecond) * 1000)
        }
      }
      to.end()
    } catch {
      to.destroy() // One of the two is gone; the other sees that too.
    }
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get carried() {
      return carried
    },
    openUp: () => {
      isOpen = true
    },
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
