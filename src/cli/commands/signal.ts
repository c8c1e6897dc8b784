import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { RENDEZVOUS_PATH } from '../../transports/pairing/rendezvous-messages.ts'
import { startRendezvous } from '../../transports/pairing/rendezvous-server.node.ts'
import type { Output } from '../output.ts'

/** What `blockferry signal` was asked for. */
export interface SignalOptions {
  readonly listen: SignalAddress
}

/** Where a rendezvous listens. */
export interface SignalAddress {
  /** A name or an IP address; of IPv6 without brackets. */
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
}

/**
 * Runs a rendezvous until it is interrupted: pages and commands find each other there by an invitation. It learns neither their secret nor what
 * they send each other afterwards, and prints nothing about them.
 * @throws StorageError `OPEN_FAILED`
 */
export async function signal({ listen }: SignalOptions, output: Output, signal: AbortSignal): Promise<void> {
  const { host } = listen
  const server = await startRendezvous(listen)
  const url = `ws://${host.includes(':') ? `[${host}]` : host}:${server.port}${RENDEZVOUS_PATH}`
  try {
    output.result({ command: 'signal', url }, [`rendezvous at ${url}  (stop with Ctrl+C)`])
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  } finally {
    await server.close()
  }
}

/** Reads `ws://HOST:PORT`. TLS is for a proxy before it, which has the certificate. @throws InvalidArgumentError */
export function parseSignalAddress(text: string): SignalAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'ws:' || url.hostname === '' || !['', '/', RENDEZVOUS_PATH].includes(url.pathname)) {
    throw new InvalidArgumentError('--listen', 'ws://HOST:PORT', text)
  }
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: url.port === '' ? 80 : Number(url.port) }
}
