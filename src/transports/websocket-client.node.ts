import type { SecureContextOptions } from 'node:tls'
import { WebSocket as NodeWebSocket } from 'ws'
import type { Channel } from '../protocol/channel.ts'
import { HANDSHAKE_TIMEOUT_MS, WEBSOCKET_MESSAGE_BYTES } from './limits.ts'
import {
  type OpenedWebSocket,
  type OpenWebSocketOptions,
  openedWebSocket,
  type WebSocketChannelOptions,
  webSocketChannel,
} from './websocket.ts'

/** How Node opens a WebSocket. */
export interface ConnectWebSocketOptions extends OpenWebSocketOptions {
  /** Certificates to trust instead of the system's, for `wss:`. */
  readonly ca?: SecureContextOptions['ca']
  /** Milliseconds the handshake may take. Default: `HANDSHAKE_TIMEOUT_MS`. */
  readonly timeoutMs?: number
}

/**
 * Opens a WebSocket from Node with `ws`, in every version of Node.
 * @throws StorageError `OPEN_FAILED` with the cause, `ABORTED`
 */
export async function connectWebSocket(url: string | URL, options: ConnectWebSocketOptions): Promise<OpenedWebSocket> {
  const socket = new NodeWebSocket(url, [...options.protocols], {
    perMessageDeflate: false,
    maxPayload: WEBSOCKET_MESSAGE_BYTES,
    handshakeTimeout: options.timeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  })
  return openedWebSocket(socket as unknown as WebSocket, { ...options, ...beyondStandard(socket) })
}

/** A channel over a WebSocket of `ws`, either end. */
export function nodeWebSocketChannel(socket: NodeWebSocket): Channel {
  return webSocketChannel(socket as unknown as WebSocket, beyondStandard(socket))
}

/** `ws` has the standard's face, but keeps a reference to what it sends until the system has taken it, and can cut the connection. */
function beyondStandard(socket: NodeWebSocket): Required<Pick<WebSocketChannelOptions, 'lend' | 'terminate'>> {
  const lend = (message: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      socket.send(message, (error) => {
        if (error) reject(error)
        else resolve()
      })
    })
  return { lend, terminate: () => socket.terminate() }
}
