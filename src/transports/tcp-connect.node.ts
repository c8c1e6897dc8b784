import { connect, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { throwIfAborted } from '../async/abort.ts'
import { type Clock, systemClock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from '../protocol/channel.ts'
import { HANDSHAKE_TIMEOUT_MS } from './limits.ts'
import { directTcpChannel, tcpChannel } from './tcp.node.ts'
import { DirectIntake } from './tcp-intake.node.ts'

/** Where {@link connectTcp} goes, and how. */
export interface ConnectTcpOptions {
  readonly host: string
  readonly port: number
  /** TLS with these options of Node, such as `ca`; the name of the host is checked. Default: plain TCP. */
  readonly tls?: ConnectionOptions
  /** Milliseconds until the connection must stand. Default: `HANDSHAKE_TIMEOUT_MS`. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  readonly clock?: Clock
}

/** Connects to a TCP or TLS server. @throws StorageError `OPEN_FAILED` with the cause, `ABORTED` */
export async function connectTcp(options: ConnectTcpOptions): Promise<Channel> {
  const { host, port, tls, signal, clock = systemClock, timeoutMs = HANDSHAKE_TIMEOUT_MS } = options
  throwIfAborted(signal)
  // TLS reads by itself.
  const direct = tls ? undefined : new DirectIntake()
  const transport = connect({ host, port, allowHalfOpen: true, ...(direct ? { onread: direct.onread } : {}) })
  // TLS over a socket of our own, since only that one can be reset.
  const name = isIP(host) === 0 ? { servername: host } : {}
  const socket: Socket = tls ? connectTls({ ...name, host, ...tls, socket: transport }) : transport
  const over = new AbortController()
  const stop = () => over.abort(signal?.reason)
  signal?.addEventListener('abort', stop)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once(tls ? 'secureConnect' : 'connect', resolve)
      socket.once('error', reject)
      transport.once('error', reject)
      clock.sleep(timeoutMs, over.signal).then(
        () => reject(new Error(`no connection within ${timeoutMs} ms`)),
        (reason) => reject(reason),
      )
    })
    return direct ? directTcpChannel(socket, direct) : tcpChannel(socket, transport)
  } catch (cause) {
    // A later error of a socket nobody listens to any more would be uncaught.
    for (const each of [socket, transport]) each.on('error', () => {}).destroy()
    throwIfAborted(signal)
    throw new StorageError('OPEN_FAILED', `No connection to ${host} port ${port}.`, { cause, context: { host, port } })
  } finally {
    signal?.removeEventListener('abort', stop)
    over.abort()
  }
}
