import { StorageError } from '../../errors/storage-error.ts'
import type { Connection } from '../../protocol/connection.ts'
import { failureOf, peerError } from '../../protocol/peer-error.ts'
import { decodeDescription, encodeDescription, type MachineDescription } from './description.ts'

/** The number under which two sides agree on a machine before its parts are announced: next to that of groups, and of no disk. */
const MACHINE_DEVICE = 2 ** 32 - 2

/** Custom event: the description of a machine that wants to come. */
const OFFER = 86

/** Offers a machine; resolves when the other side has made one like it. @throws StorageError what it refuses with */
export async function offerMachine(
  { rw }: Connection,
  description: MachineDescription,
  signal?: AbortSignal,
): Promise<void> {
  const event = { kind: 'event', type: 'custom', customType: OFFER, payload: encodeDescription(description) } as const
  const answer = await rw.request(MACHINE_DEVICE, event, { urgent: true, ...(signal ? { signal } : {}) })
  if (answer.kind === 'failure-response') throw peerError(answer, 'INCOMPATIBLE')
  if (answer.kind !== 'event-response') throw new StorageError('MALFORMED', `The peer answered with a ${answer.kind}.`)
}

/**
 * Waits for the offer of a machine, and answers it when `make` has made one; what `make` throws refuses it.
 * @throws StorageError what it was refused with, `PEER_LOST`, `MALFORMED`
 */
export function awaitMachine<Made>(
  { rw }: Connection,
  make: (theirs: MachineDescription) => Promise<Made>,
): Promise<Made> {
  return new Promise((resolve, reject) => {
    void rw.ended.then((reason) =>
      reject(reason ?? new StorageError('PEER_LOST', 'The peer left before it offered a machine.')),
    )
    rw.handle(MACHINE_DEVICE, async (packet, id) => {
      if (packet.kind !== 'event' || packet.type !== 'custom' || packet.customType !== OFFER) {
        throw new StorageError('MALFORMED', `The peer sent a ${packet.kind} where it offers a machine.`)
      }
      // One machine at a time; another offer is for who waits next.
      rw.unhandle(MACHINE_DEVICE)
      try {
        const made = await make(decodeDescription(packet.payload.slice()))
        await rw.respond(MACHINE_DEVICE, id, { kind: 'event-response' }, { urgent: true })
        resolve(made)
      } catch (error) {
        reject(error)
        await rw
          .respond(MACHINE_DEVICE, id, { kind: 'failure-response', ...failureOf(error) }, { urgent: true })
          .catch(() => {}) // Nobody waits for it then.
      }
    })
  })
}
