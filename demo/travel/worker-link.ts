import { openConnection } from '../../src/protocol/connection.ts'
import type { ConnectionRole } from '../../src/protocol/secret-proof.ts'
import { messagePortChannel } from '../../src/transports/message-port.ts'
import { bindChannel } from '../../src/transports/pairing/bind-channel.ts'
import type { WorkerLink } from './messages.ts'
import { pacedChannel } from './paced-channel.ts'

/** Speaks over the page's end of a connection: proves the secret, and resolves once the other side has proved it too. */
export function openLink(link: WorkerLink, role: ConnectionRole, bytesPerSecond = 0) {
  // The proof is over the connection between the machines; the port only leads to it.
  const channel = bindChannel(messagePortChannel(link.port), link.binding)
  return openConnection([pacedChannel(channel, bytesPerSecond)], { role, secret: link.secret })
}
