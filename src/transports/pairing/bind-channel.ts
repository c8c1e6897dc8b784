import type { Channel } from '../../protocol/channel.ts'

/** The same channel with a binding that was not known when it was made, or that another realm has found out. */
export function bindChannel(channel: Channel, binding: Uint8Array): Channel {
  return {
    kind: channel.kind,
    binding,
    ended: channel.ended,
    send: (parts) => channel.send(parts),
    receive: (handler) => channel.receive(handler),
    close: () => channel.close(),
    abort: (reason) => channel.abort(reason),
  }
}
