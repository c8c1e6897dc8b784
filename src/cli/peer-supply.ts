import { StorageError } from '../errors/storage-error.ts'
import type { Connection } from '../protocol/connection.ts'
import type { Output } from './output.ts'
import { peerText } from './peer-address.ts'
import { awaitPeers, callPeer, type LinkOptions, type PeerDoor, within } from './peer-link.ts'
import { Visitors } from './visitors.ts'

/** Connections to the other side, one after the other. */
export interface PeerSupply {
  /** Where it is, for people. */
  readonly text: string
  /** The next one; `waitMs`: how long somebody who calls here is waited for, for ever by default. @throws StorageError `PEER_LOST`, `OPEN_FAILED`, `ABORTED` … */
  next(signal: AbortSignal, waitMs?: number): Promise<Connection>
  /** Nobody comes any more; those inside stay. */
  close(): Promise<void>
}

/** Calls the peer for each connection. */
export function callingSupply(link: LinkOptions): PeerSupply {
  return { text: peerText(link.address), next: (signal) => callPeer(link, signal), close: async () => {} }
}

/** Waits until somebody calls who proves himself; those who cannot are turned away, and a second one finds that this side is busy. */
export async function waitingSupply(link: LinkOptions, output: Output): Promise<PeerSupply> {
  const visitors = new Visitors(output, 'somebody else is pushing a disk here')
  const arrived: Connection[] = []
  let look = () => {}
  const door: PeerDoor = await awaitPeers(link, output, {
    welcome: (connection) => {
      void visitors.welcome(connection, async () => {
        arrived.push(connection)
        look()
        await connection.rw.ended
      })
    },
    refused: (error) => visitors.turnedAway('somebody was turned away', error),
  })
  return {
    text: `whoever calls ${peerText(link.address)}`,
    next: async (signal, waitMs) => {
      const interrupted = new Promise<never>((_, reject) => {
        const stop = () => reject(new StorageError('ABORTED', 'interrupted', { cause: signal.reason }))
        signal.addEventListener('abort', stop, { once: true })
        if (signal.aborted) stop()
      })
      interrupted.catch(() => {}) // Thrown where it is raced.
      while (arrived.length === 0) {
        const coming = new Promise<void>((resolve) => {
          look = resolve
        })
        const event = Promise.race([coming, interrupted])
        if (waitMs === undefined) await event
        else if (!(await within(event, waitMs))) throw new StorageError('PEER_LOST', 'nobody has called again')
      }
      return arrived.shift()!
    },
    close: () => door.close(),
  }
}
