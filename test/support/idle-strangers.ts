import { setMaxListeners } from 'node:events'
import { connect, type Socket } from 'node:net'
import { systemClock } from '../../src/async/clock.ts'

/** Connections on which nothing is ever said. */
export interface IdleStrangers {
  /** How often one of them was hung up on. */
  readonly cuts: number
  close(): void
}

/** Milliseconds until one that was hung up on comes back: they sit there, they do not storm. */
const RETURN_MS = 500

/** Opens so many connections to a port of loopback and says nothing; whichever is hung up on comes back. Resolves when all have called once. */
export async function idleStrangers(port: number, count: number): Promise<IdleStrangers> {
  const over = new AbortController()
  setMaxListeners(0, over.signal)
  const sockets = new Set<Socket>()
  let cuts = 0
  const call = () =>
    new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', resolve)
      sockets.add(socket)
      socket.resume().on('error', () => {}) // A reset, which the close says too.
      socket.on('close', () => {
        sockets.delete(socket)
        cuts++
        systemClock.sleep(RETURN_MS, over.signal).then(call, () => {})
      })
    })
  for (let index = 0; index < count; index++) await call()
  return {
    get cuts() {
      return cuts
    },
    close: () => {
      over.abort()
      for (const socket of sockets) socket.destroy()
    },
  }
}
