import { openConnection } from '../../src/protocol/connection.ts'
import type { ConnectionRole } from '../../src/protocol/secret-proof.ts'
import { type Invitation, invitationLink, readInvitation } from '../../src/transports/pairing/invitation.ts'
import { type MeetingOptions, pairHere } from '../travel/pair.ts'

/** A link to a machine differs from one to a disk by its first word. */
const MARK = '#linux='

/** The link that leads to a machine on this page. */
export function machineLink(page: string | URL, invitation: Invitation): string {
  return invitationLink(page, invitation).replace('#ferry=', MARK)
}

/** Whether the page's address leads to a machine. */
export function leadsToMachine(hash: string): boolean {
  return hash.startsWith(MARK)
}

/** Undefined when it is damaged. */
export function readMachineLink(hash: string): Promise<Invitation | undefined> {
  return readInvitation(hash.replace(MARK, '#ferry='))
}

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
