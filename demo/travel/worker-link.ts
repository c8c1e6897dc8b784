import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import type { ConnectionRole } from '../../src/protocol/secret-proof.ts'
import { takeDataChannel } from '../../src/transports/data-channel-transfer.ts'
import { messagePortChannel } from '../../src/transports/message-port.ts'
import { bindChannel } from '../../src/transports/pairing/bind-channel.ts'
import { dataChannelChannel } from '../../src/transports/webrtc.ts'
import type { TravellingChannel, WorkerLink } from './messages.ts'
import { countedChannel, pacedChannel } from './paced-channel.ts'

/** The data channel that came last, for the link that follows. */
let direct: Channel | undefined
let maxMessageSize: number | undefined

/** Makes a channel of a data channel, in the turn in which it came here. */
export function keepDataChannel({ dataChannel, isAnnounced, over }: TravellingChannel): void {
  maxMessageSize = undefined
  direct = dataChannelChannel(takeDataChannel(dataChannel, { isAnnounced }), { maxMessageSize: () => maxMessageSize })
  void direct.ended.then(() => over.postMessage('over'))
}

/** Speaks over the page's end of a connection: proves the secret, and resolves once the other side has proved it too. */
export function openLink(
  link: WorkerLink,
  role: ConnectionRole,
  { bytesPerSecond = 0, sent = () => {} }: { bytesPerSecond?: number; sent?: (bytes: number) => void } = {},
) {
  maxMessageSize = link.maxMessageSize
  const channel = link.port ? messagePortChannel(link.port) : direct!
  // The proof is over the connection between the machines; a port only leads to it.
  const bound = bindChannel(channel, link.binding)
  return openConnection([countedChannel(pacedChannel(bound, bytesPerSecond), sent)], { role, secret: link.secret })
}
