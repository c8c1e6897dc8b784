import { type Clock, systemClock } from '../../async/clock.ts'
import { StorageError } from '../../errors/storage-error.ts'
import { toBase64Url } from './base64url.ts'
import type { Invitation } from './invitation.ts'
import { MESSAGE_BYTES, TAB_ANSWER_MS } from './limits.ts'
import { Mailbox, type Party, type Signalling } from './signalling.ts'

/** What is asked of a broadcast channel; the platform's, or another with its face. */
export type BroadcastPort = Pick<BroadcastChannel, 'postMessage' | 'addEventListener' | 'close'>

/** How tabs of one browser meet. */
export interface BroadcastOptions {
  readonly invitation: Invitation
  readonly as: Party
  /** Default: the platform's `BroadcastChannel`. */
  readonly open?: (name: string) => BroadcastPort
  readonly clock?: Clock
}

/**
 * Tabs of one browser and one origin find each other without any server. All tabs there hear the room, so each guest has a number, and the host
 * keeps to the first.
 *
 * ```
 *   guest ── { from: G, type: 'knock' } ──────────► host
 *   guest ◄── { to: G, type: 'open' or 'busy' } ─── host
 *   guest ◄── { to: G / from: G, message } ───────► host
 *   guest ◄── { to: G / from: G, type: 'left' } ──► host
 * ```
 */
export function broadcastSignalling(options: BroadcastOptions): Signalling {
  const { invitation, as, open = (name) => new BroadcastChannel(name) } = options
  const mailbox = new Mailbox()
  let port: BroadcastPort
  try {
    port = open(`blockferry ${invitation.room}`)
  } catch (cause) {
    mailbox.end(new StorageError('OPEN_FAILED', 'Tabs of this browser cannot be reached.', { cause }))
    return { met: mailbox.met, send: () => {}, next: () => mailbox.next(), close: () => {} }
  }
  return as === 'host' ? hostTab(port, mailbox) : guestTab(port, mailbox, options.clock ?? systemClock)
}

interface Note {
  readonly from?: string
  readonly to?: string
  readonly type?: string
  readonly message?: string
}

function hostTab(port: BroadcastPort, mailbox: Mailbox): Signalling {
  let guest: string | undefined
  const tell = (note: Note) => mailbox.isOpen && port.postMessage({ to: guest, ...note })
  listen(port, ({ from, type, message }) => {
    if (from === undefined) return
    if (type === 'knock') {
      tell({ to: from, type: guest === undefined || guest === from ? 'open' : 'busy' })
    } else if (message !== undefined && (guest === undefined || guest === from)) {
      guest = from
      mailbox.put(message)
      mailbox.meet()
    } else if (type === 'left' && guest === from) {
      mailbox.end(new StorageError('PEER_LOST', 'The other tab is gone.'))
    }
  })
  return {
    met: mailbox.met,
    send: (message) => tell({ message }),
    next: () => mailbox.next(),
    close: () => {
      if (guest !== undefined) tell({ type: 'left' })
      mailbox.end()
      port.close()
    },
  }
}

function guestTab(port: BroadcastPort, mailbox: Mailbox, clock: Clock): Signalling {
  const from = toBase64Url(crypto.getRandomValues(new Uint8Array(12)))
  const answered = new AbortController()
  const tell = (note: Note) => mailbox.isOpen && port.postMessage({ from, ...note })
  listen(port, ({ to, type, message }) => {
    if (to !== from) return
    answered.abort()
    if (type === 'open') mailbox.meet()
    else if (type === 'busy')
      mailbox.end(new StorageError('BUSY', 'Somebody else came by this link already; ask for a new one.'))
    else if (type === 'left') mailbox.end(new StorageError('PEER_LOST', 'The other tab is gone.'))
    else if (message !== undefined) mailbox.put(message)
  })
  clock.sleep(TAB_ANSWER_MS, answered.signal).then(
    () => mailbox.end(new StorageError('NOT_FOUND', 'No tab of this browser waits at this link.')),
    () => {}, // Answered, or closed.
  )
  tell({ type: 'knock' })
  return {
    met: mailbox.met,
    send: (message) => tell({ message }),
    next: () => mailbox.next(),
    close: () => {
      tell({ type: 'left' })
      answered.abort()
      mailbox.end()
      port.close()
    },
  }
}

/** Tabs of one origin trust each other, but not their versions: what has another form is nobody's. */
function listen(port: BroadcastPort, hear: (note: Note) => void): void {
  port.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    if (typeof data !== 'object' || data === null) return
    const note = data as Record<string, unknown>
    for (const key of ['from', 'to', 'type', 'message']) {
      const value = note[key]
      if (value !== undefined && (typeof value !== 'string' || value.length > MESSAGE_BYTES)) return
    }
    hear(note)
  })
}
