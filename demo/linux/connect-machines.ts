import { openConnection } from '../../src/protocol/connection.ts'
import type { ConnectionRole } from '../../src/protocol/secret-proof.ts'
import { type MeetingOptions, pairHere } from '../travel/pair.ts'

/** A connection over which both sides have proved the secret, and how it is cut. */
export async function connectMachines(options: MeetingOptions) {
  const { channel, close } = await pairHere(options)
  const role: ConnectionRole = options.as === 'host' ? 'listener' : 'dialer'
  try {
    const connection = await openConnection([channel], { role, secret: options.invitation.secret })
    return { connection, pullThePlug: close }
  } catch (error) {
    close()
    throw error
  }
}
