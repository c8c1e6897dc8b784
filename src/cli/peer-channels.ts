import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from '../protocol/channel.ts'
import type { Dialect } from '../protocol/protocol-rw.ts'
import { connectTcp } from '../transports/tcp-connect.node.ts'
import { type ChannelServer, listenTcp } from '../transports/tcp-server.node.ts'
import { connectWebSocket } from '../transports/websocket-client.node.ts'
import { listenWebSocket } from '../transports/websocket-server.node.ts'
import { type PeerAddress, peerText } from './peer-address.ts'

/** The contents of the files that TLS needs, PEM. */
export interface TlsFiles {
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly ca: string | undefined
}

interface ChannelOptions {
  readonly tls: TlsFiles
  /** Over WebSocket it is the subprotocol; over TCP both sides must have been told the same. */
  readonly dialect: Dialect
}

interface ListenOptions extends ChannelOptions {
  /** Pages that may connect, over WebSocket. */
  readonly origins: readonly string[] | 'any'
  /** Takes each; one that is not admitted in time makes room for others. */
  readonly onChannel: (channel: Channel, connection: { readonly admit: () => void }) => void
}

/** Opens a channel to an address, whatever its transport. @throws StorageError `OPEN_FAILED`, `INCOMPATIBLE`, `ABORTED` */
export async function dial(
  address: PeerAddress,
  { tls, dialect, signal }: ChannelOptions & { readonly signal: AbortSignal },
): Promise<Channel> {
  const { scheme, host, port } = address
  const ca = tls.ca === undefined ? {} : { ca: tls.ca }
  if (scheme === 'tcp') return connectTcp({ host, port, signal })
  if (scheme === 'tls') return connectTcp({ host, port, signal, tls: ca })
  const protocols = [subprotocol(dialect)]
  const { channel, protocol } = await connectWebSocket(peerText(address), { protocols, signal, ...ca })
  if (protocol === protocols[0]) return channel
  const error = new StorageError('INCOMPATIBLE', `${peerText(address)} does not speak ${dialect}`)
  channel.abort(error)
  throw error
}

/** Takes channels at an address, whatever its transport. @throws StorageError `OPEN_FAILED` */
export async function listen(
  { scheme, host, port, path }: PeerAddress,
  { tls, dialect, origins, onChannel }: ListenOptions,
): Promise<ChannelServer> {
  const isSecure = scheme === 'tls' || scheme === 'wss'
  const place = {
    host,
    port,
    onChannel,
    admission: 'by-owner' as const,
    ...(isSecure ? { tls: { cert: tls.cert, key: tls.key } } : {}),
  }
  if (scheme === 'tcp' || scheme === 'tls') return listenTcp(place)
  return listenWebSocket({ ...place, path, origins, protocols: [subprotocol(dialect)] })
}

/** Subprotocols are tokens, without a slash (RFC 6455 section 4.1). */
function subprotocol(dialect: Dialect): string {
  return dialect.replace('/', '.')
}
