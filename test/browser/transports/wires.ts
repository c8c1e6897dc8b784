import type { FarMessage, Wire } from './far-channel.ts'

/** A wire over a port, to a worker. */
export function portWire(port: MessagePort): Wire {
  return {
    post: (message) => port.postMessage(message),
    listen: (handler) => {
      port.onmessage = ({ data }: MessageEvent<FarMessage>) => handler(data)
    },
  }
}

/** A wire between tabs, where each side has its own name on the line. */
export function tabWire(name: string, self: 'near' | 'far'): Wire {
  const line = new BroadcastChannel(`wire ${name}`)
  const ear = new Ear()
  line.onmessage = ({ data }: MessageEvent<{ from: string; message: FarMessage }>) => {
    if (data.from !== self) ear.hear(data.message)
  }
  return { post: (message) => line.postMessage({ from: self, message }), listen: (handler) => ear.listen(handler) }
}

/** Keeps what comes before somebody listens. */
class Ear {
  readonly #early: FarMessage[] = []
  #handler: ((message: FarMessage) => void) | undefined

  hear(message: FarMessage): void {
    if (this.#handler) this.#handler(message)
    else this.#early.push(message)
  }

  listen(handler: (message: FarMessage) => void): void {
    this.#handler = handler
    for (const message of this.#early.splice(0)) handler(message)
  }
}

/** A wire over an open WebSocket, also of `ws`: a text with the message, then each of its byte arrays by itself. */
export function socketWire(socket: WebSocket): Wire {
  const ear = new Ear()
  let text = ''
  let missing = 0
  let bytes: Uint8Array[] = []
  const revive = (_: string, value: unknown) =>
    typeof value === 'object' && value !== null && 'bytes' in value && typeof value.bytes === 'number'
      ? bytes[value.bytes]
      : value
  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data === 'string') {
      missing = Number.parseInt(data, 10)
      text = data.slice(data.indexOf(' '))
      bytes = []
    } else {
      missing--
      bytes.push(new Uint8Array(data))
    }
    if (missing === 0) ear.hear(JSON.parse(text, revive) as FarMessage)
  }
  return {
    post: (message) => {
      const found: Uint8Array[] = []
      const json = JSON.stringify(message, (_, value: unknown) =>
        value instanceof Uint8Array ? { bytes: found.push(value) - 1 } : value,
      )
      socket.send(`${found.length} ${json}`)
      for (const each of found) socket.send(each.slice())
    },
    listen: (handler) => ear.listen(handler),
  }
}
