import { takeDataChannel } from '../../../src/transports/data-channel-transfer.ts'
import { messagePortChannel } from '../../../src/transports/message-port.ts'
import { dataChannelChannel } from '../../../src/transports/webrtc.ts'
import { serveChannel } from './far-channel.ts'
import { portWire } from './wires.ts'

/** What the worker is given: a port or a data channel to make a channel of, and the wire by which that is driven. */
export interface WorkerTask {
  readonly wire: MessagePort
  readonly port?: MessagePort
  readonly dataChannel?: RTCDataChannel
  readonly maxMessageSize?: number
}

addEventListener('message', ({ data }: MessageEvent<WorkerTask>) => {
  const { port, dataChannel, maxMessageSize, wire } = data
  if (port) serveChannel(messagePortChannel(port), portWire(wire))
  if (dataChannel) {
    const taken = takeDataChannel(dataChannel, { isAnnounced: true })
    serveChannel(dataChannelChannel(taken, { maxMessageSize: maxMessageSize! }), portWire(wire))
  }
})
