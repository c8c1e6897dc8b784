import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'

/** How bytes reach a peer: `tls` is TCP and `wss` WebSocket inside TLS. */
export type PeerScheme = 'tcp' | 'tls' | 'ws' | 'wss'

/** Where a peer is, or where this side waits for one. */
export interface PeerAddress {
  readonly kind: 'peer'
  readonly scheme: PeerScheme
  /** A name or an IP address; of IPv6 without brackets. */
  readonly host: string
  /** 0 only where this side listens: any free one. */
  readonly port: number
  /** Of a WebSocket's address; `/` otherwise. */
  readonly path: string
}

const DEFAULT_PORTS: Partial<Record<PeerScheme, number>> = { ws: 80, wss: 443 }

/** Whether an argument is the address of a peer; a file of such a name is reached as `./tcp:…`. */
export function isPeerAddress(text: string): boolean {
  return /^(tcp|tls|ws|wss):\/\//i.test(text)
}

/** Reads an argument such as `tcp://192.0.2.7:7000` or `wss://example.org/disk`. @throws InvalidArgumentError */
export function parsePeerAddress(text: string): PeerAddress {
  const refused = new InvalidArgumentError('url', 'tcp://, tls://, ws:// or wss://, a host and a port', text)
  if (!isPeerAddress(text) || !URL.canParse(text)) throw refused
  const url = new URL(text)
  const scheme = url.protocol.slice(0, -1) as PeerScheme
  const port = url.port === '' ? DEFAULT_PORTS[scheme] : Number(url.port)
  const isWeb = scheme === 'ws' || scheme === 'wss'
  const isPlace = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (url.hostname === '' || port === undefined || !isPlace) throw refused
  if (!isWeb && url.pathname !== '' && url.pathname !== '/') throw refused
  return { kind: 'peer', scheme, host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, path: url.pathname || '/' }
}

/** The address as one would type it, with another port where a free one was taken. */
export function peerText(address: PeerAddress, port = address.port): string {
  const { scheme, path } = address
  return `${scheme}://${hostText(address.host)}:${port}${path === '/' ? '' : path}`
}

/** A host as it stands before a colon and a port. */
export function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** Whether only this machine reaches a host. Other names than `localhost` may lead anywhere. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
