import type { NbdAddress } from '../adapters/nbd/server.node.ts'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { hostText } from './peer-address.ts'

/** The protocol's own port. */
const NBD_PORT = 10809

/** Reads where NBD clients are to find a disk: `unix:PATH`, `tcp:HOST:PORT` or `tcp:HOST`. @throws InvalidArgumentError */
export function parseNbdAddress(text: string): NbdAddress {
  const unix = /^unix:(.+)$/s.exec(text)
  if (unix) return { unix: unix[1]! }
  const tcp = /^tcp:(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text)
  const port = Number(tcp?.[3] ?? NBD_PORT)
  if (!tcp || port > 65535) throw new InvalidArgumentError('--nbd', 'unix:<path> or tcp:<host>:<port>', text)
  return { host: (tcp[1] ?? tcp[2])!, port }
}

/** The address as NBD clients take it (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/uri.md). */
export function nbdUri(address: NbdAddress, name: string): string {
  const path = encodeURIComponent(name)
  if ('unix' in address) return `nbd+unix:///${path}?socket=${encodeURI(address.unix)}`
  return `nbd://${hostText(address.host)}:${address.port}/${path}`
}
