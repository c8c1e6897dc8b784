/** A platform's object used by hand, without anything of ours: what a channel over it is measured against. */
export interface BareLink {
  /** When it is open, if it was not from the beginning. */
  readonly opened?: Promise<void>
  /** Sends a copy of the bytes; resolves when there is room for more. */
  send(bytes: Uint8Array<ArrayBuffer>): Promise<void> | void
  /** Called with each message. */
  receive(handler: (message: ArrayBuffer) => void): void
  close(): void
}

/** Messages under way between ports, which say nothing by themselves about how far they are. */
const PORT_MESSAGES = 4

/** Bytes that may be unsent. */
const BUFFERED_BYTES = 2 ** 20

/** A port: buffers are transferred, and the receiver answers each, since ports queue without bound. */
export function barePort(port: MessagePort): BareLink {
  let free = PORT_MESSAGES
  let wake = () => {}
  let handler = (_: ArrayBuffer) => {}
  port.onmessage = ({ data }: MessageEvent<ArrayBuffer | undefined>) => {
    if (data === undefined) {
      free++
      wake()
      return
    }
    port.postMessage(undefined)
    handler(data)
  }
  return {
    send: (bytes) => {
      const { buffer } = bytes.slice()
      port.postMessage(buffer, [buffer])
      free--
      if (free === 0) {
        return new Promise((resolve) => {
          wake = resolve
        })
      }
    },
    receive: (given) => {
      handler = given
    },
    close: () => port.close(),
  }
}

/** A data channel, which has an event for room. */
export function bareDataChannel(channel: RTCDataChannel): BareLink {
  let handler = (_: ArrayBuffer) => {}
  channel.binaryType = 'arraybuffer'
  channel.bufferedAmountLowThreshold = BUFFERED_BYTES / 2
  channel.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => handler(data)
  const happens = (type: 'open' | 'bufferedamountlow') =>
    new Promise<void>((resolve) => channel.addEventListener(type, () => resolve(), { once: true }))
  return {
    ...(channel.readyState === 'connecting' ? { opened: happens('open') } : {}),
    send: (bytes) => {
      channel.send(bytes)
      if (channel.bufferedAmount >= BUFFERED_BYTES) return happens('bufferedamountlow')
    },
    receive: (given) => {
      handler = given
    },
    close: () => channel.close(),
  }
}

/** A WebSocket that is open; only its receiving side is used. */
export function bareWebSocket(socket: WebSocket): BareLink {
  socket.binaryType = 'arraybuffer'
  return {
    send: (bytes) => socket.send(bytes),
    receive: (handler) => {
      socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => handler(data)
    },
    close: () => socket.close(),
  }
}

/** Milliseconds until the other side says that `size` bytes have come, sent in pieces. */
export async function sendBare(link: BareLink, size: number, piece: Uint8Array<ArrayBuffer>): Promise<number> {
  const counted = new Promise<void>((resolve) => link.receive(() => resolve()))
  await link.opened
  const startedAt = performance.now()
  for (let left = size; left > 0; left -= piece.length) {
    const full = link.send(left < piece.length ? piece.subarray(0, left) : piece)
    if (full) await full
  }
  await counted
  return performance.now() - startedAt
}

/** Counts what comes, lets `take` have it, and says one byte when everything is here. */
export function countBare(
  link: BareLink,
  size: number,
  take: (bytes: Uint8Array, offset: number) => void,
): Promise<void> {
  return new Promise((resolve) => {
    let offset = 0
    link.receive((message) => {
      take(new Uint8Array(message), offset)
      offset += message.byteLength
      if (offset < size) return
      void link.send(new Uint8Array(1))
      resolve()
    })
  })
}
