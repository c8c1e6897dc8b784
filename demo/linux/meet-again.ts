import { systemClock } from '../../src/async/clock.ts'
import type { Connection } from '../../src/protocol/connection.ts'
import type { ConnectedPeers } from '../../src/transports/pairing/connect-peers.ts'
import { type Invitation, readInvitation } from '../../src/transports/pairing/invitation.ts'
import type { Party } from '../../src/transports/pairing/signalling.ts'
import { againSecret } from '../travel/again-secret.ts'
import { connectMachines } from './connect-machines.ts'

/** Milliseconds between two looks for the other side. */
const LOOK_MS = 3000

/** Where the two sides of a connection find each other after it was lost; nobody else can. */
export async function meetingAfter({ secret }: Invitation, { session }: Connection): Promise<Invitation> {
  return (await readInvitation(`#ferry=${await againSecret(secret, session)}`))!
}

/** Looks for the other side until it is there. Rejects only with `signal`. */
export async function meetAgain({
  meeting,
  as,
  signal,
}: {
  meeting: Invitation
  as: Party
  signal: AbortSignal
}): Promise<{ connection: Connection; pullThePlug: ConnectedPeers['close'] }> {
  for (;;) {
    const attempt = new AbortController()
    try {
      return await connectMachines({
        invitation: meeting,
        as,
        signal: AbortSignal.any([signal, attempt.signal]),
        onAlone: (why) => why === 'expired' && attempt.abort(why),
      })
    } catch {
      await systemClock.sleep(LOOK_MS, signal)
    }
  }
}
