import { encodeError } from '../../src/errors/wire.ts'
import { Arrival } from './arrival.ts'
import { Departure } from './departure.ts'
import type { FromTraveller, ToTraveller } from './messages.ts'
import { deleteDisk } from './travel-disks.ts'
import { keepDataChannel } from './worker-link.ts'

/** The part of a dedicated worker's global scope that is used here; the page's types describe a window. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToTraveller>) => void) | null
  postMessage(message: FromTraveller, transfer?: Transferable[]): void
}

const scope = self as unknown as WorkerScope
const send = (message: FromTraveller, transfer: Transferable[] = []) => scope.postMessage(message, transfer)

let departure: Departure | undefined
let arrival: Arrival | undefined

scope.onmessage = ({ data }) => {
  obey(data).catch((error: unknown) => send(departure?.failure(error) ?? { type: 'failed', error: encodeError(error) }))
}

async function obey(message: ToTraveller): Promise<void> {
  switch (message.type) {
    case 'prepare':
    case 'reopen': {
      await departure?.clear()
      departure = new Departure(message.settings, message.intervalMs, send)
      return message.type === 'prepare' ? departure.prepare() : departure.reopen(message)
    }
    case 'connect':
      return keepDataChannel(message)
    case 'send':
      return departure?.send(message)
    case 'receive':
      arrival ??= new Arrival(message, send)
      return arrival.receive(message)
    case 'use':
      arrival ??= new Arrival(message, send)
      return arrival.use(message)
    case 'read':
      // A read that the loss of the peer ends is told by that loss.
      return arrival?.read().catch(() => {})
    case 'clear':
      await departure?.clear()
      await arrival?.clear()
      await deleteDisk(departure ? 'departure' : 'arrival')
      departure = undefined
      arrival = undefined
      send({ type: 'cleared' })
  }
}
