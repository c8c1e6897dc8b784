import { connect, type Socket } from 'node:net'

/** A socket to a port of loopback that never hangs up by itself, and asks for a WebSocket at a path where one is given. */
export function connectRaw(port: number, path?: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  if (path !== undefined) socket.write(`GET ${path} HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`)
  return socket
}
