import { setMaxListeners } from 'node:events'
import { readFile } from 'node:fs/promises'
import { systemClock } from '../async/clock.ts'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { errorMessage, StorageError } from '../errors/storage-error.ts'
import type { Channel } from '../protocol/channel.ts'
import { type Connection, openConnection } from '../protocol/connection.ts'
import type { Dialect } from '../protocol/protocol-rw.ts'
import type { ConnectionRole } from '../protocol/secret-proof.ts'
import type { Output } from './output.ts'
import { isLoopback, type PeerAddress, peerText } from './peer-address.ts'
import { dial, listen, type TlsFiles } from './peer-channels.ts'
import { readSecret, secretPlace } from './secret.ts'

/** How two commands find and trust each other. */
export interface LinkOptions {
  readonly address: PeerAddress
  readonly dialect: Dialect
  readonly secretFile: string | undefined
  /** Certificate and key of a side that listens, PEM. */
  readonly tlsCert: string | undefined
  readonly tlsKey: string | undefined
  /** Certificates that a side that calls trusts besides those of the system, PEM. */
  readonly tlsCa: string | undefined
}

/** A place where peers come in. */
export interface PeerDoor {
  /** Lets nobody in any more; those inside stay. */
  close(): Promise<void>
}

/** Who deals with peers that come in. */
export interface PeerWelcome {
  /** A peer that is who it should be. What it does with it is its own affair. */
  readonly welcome: (connection: Connection) => void
  /** One that could not prove it, or broke the rules. */
  readonly refused: (error: unknown) => void
}

/** A peer that does not end in order within this time is cut off: its machine may hang. */
const PARTING_MS = 5_000

/** What the two want of each other beside moving a disk, as bits of `FEATURE`. */
export interface LinkFeatures {
  readonly offered?: number
  readonly required?: number
}

/** Calls a peer and agrees with it. @throws StorageError as `openConnection`; `OPEN_FAILED`; InvalidArgumentError */
export async function callPeer(
  options: LinkOptions,
  signal: AbortSignal,
  features: LinkFeatures = {},
): Promise<Connection> {
  const { address } = options
  if (address.port === 0) throw new InvalidArgumentError('url', 'a port other than 0', peerText(address))
  const secret = await secretOf(options)
  const channel = await dial(address, { tls: await tlsFiles(options), dialect: options.dialect, signal })
  return agree(channel, { ...options, ...features, role: 'dialer', secret }, signal)
}

/** Lets peers in, and says where. Warns when strangers may come. @throws StorageError `OPEN_FAILED`; InvalidArgumentError */
export async function awaitPeers(
  options: LinkOptions & LinkFeatures,
  output: Output,
  to: PeerWelcome,
): Promise<PeerDoor> {
  const { address, dialect } = options
  const secret = await secretOf(options)
  const tls = await tlsFiles(options)
  const isSecure = address.scheme === 'tls' || address.scheme === 'wss'
  if (isSecure !== (tls.cert !== undefined)) {
    const expected = isSecure ? 'a certificate and its key' : 'only with tls:// or wss://'
    throw new InvalidArgumentError('--tls-cert', expected, peerText(address))
  }
  const over = new AbortController()
  // Everybody who is not let in yet listens to it, and Node takes more than ten for a leak.
  setMaxListeners(0, over.signal)
  const server = await listen(address, {
    tls,
    dialect,
    // Any page in a browser of this machine reaches a loopback address; only a secret tells the right one.
    origins: secret ? 'any' : [],
    onChannel: (channel, { admit }) => {
      const welcome = (connection: Connection) => {
        admit()
        to.welcome(connection)
      }
      agree(channel, { ...options, role: 'listener', secret }, over.signal).then(welcome, (error: unknown) => {
        // Those cut off because nobody is let in any more are not worth a word.
        if (!over.signal.aborted) to.refused(error)
      })
    },
  })
  if (!secret && !isLoopback(address.host)) {
    output.warn(`whoever reaches ${address.host} may take part: give both sides the same --secret-file`)
  }
  const url = peerText(address, server.port)
  output.event('listening', { url }, `waiting at ${url}`)
  return {
    close: async () => {
      over.abort()
      await server.close()
    },
  }
}

/** Ends a connection in order, or tells the peer why not; cuts it when the peer does not take part in that. */
export async function part(connection: Connection, error?: unknown): Promise<void> {
  if (await within(connection.close(error), PARTING_MS)) return
  connection.rw.abort(error ?? new StorageError('PEER_LOST', 'The peer does not hang up.'))
}

/** Ends a connection over which a disk has moved: the other side hears that it is not needed any more, which the end of a link does not say. */
export async function partForGood(connection: Connection): Promise<void> {
  const isSilent = connection.dialect === 'silo'
  await part(
    connection,
    isSilent ? undefined : new StorageError('CLOSED', 'the disk has moved, and nothing is needed any more'),
  )
}

/** Waits for something at most so long; returns whether it came. */
export async function within(event: Promise<unknown>, ms: number): Promise<boolean> {
  const done = new AbortController()
  const late = systemClock.sleep(ms, done.signal).then(
    () => false,
    () => false, // It came.
  )
  return Promise.race([event.then(() => true), late]).finally(() => done.abort())
}

async function agree(
  channel: Channel,
  options: LinkFeatures & Pick<LinkOptions, 'dialect'> & { role: ConnectionRole; secret: Uint8Array | undefined },
  signal: AbortSignal,
): Promise<Connection> {
  const stop = () => channel.abort(new StorageError('ABORTED', 'interrupted', { cause: signal.reason }))
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    const { dialect, role, secret, offered = 0, required = 0 } = options
    return await openConnection([channel], { dialect, role, offered, required, ...(secret ? { secret } : {}) })
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function secretOf({ dialect, secretFile }: LinkOptions): Promise<Uint8Array | undefined> {
  if (dialect !== 'silo') return readSecret(secretFile)
  const place = secretPlace(secretFile)
  if (place === undefined) return undefined
  // Who has given one counts on it.
  throw new InvalidArgumentError(place, 'dialect blockferry/1', 'silo, which knows no secrets')
}

async function tlsFiles({ tlsCert, tlsKey, tlsCa }: LinkOptions): Promise<TlsFiles> {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new InvalidArgumentError('--tls-cert', 'a certificate and its key', 'one of the two')
  }
  const [cert, key, ca] = await Promise.all([tlsCert, tlsKey, tlsCa].map(readPem))
  return { cert, key, ca }
}

async function readPem(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new StorageError('OPEN_FAILED', `a file of TLS cannot be read: ${errorMessage(cause)}`, { cause })
  }
}
