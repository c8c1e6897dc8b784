import { type ErrorCode, StorageError } from '../../errors/storage-error.ts'
import type { Invitation } from './invitation.ts'
import { CLOSE_CODE, RENDEZVOUS_PROTOCOL, readFromRendezvous } from './rendezvous-messages.ts'
import { Mailbox, type Party, type Signalling } from './signalling.ts'

/** How two sides meet at a rendezvous. */
export interface RendezvousOptions {
  /** `ws:` or `wss:`. */
  readonly url: string | URL
  readonly invitation: Invitation
  readonly as: Party
  /** Default: the platform's `WebSocket`; `ws` has the same face. */
  readonly open?: (url: string, protocol: string) => WebSocket
  /**
   * The host's room is open; with the addresses under which others may reach the page, where the server knows some. They are for a page that
   * came from this very server: whoever chooses the address in a link gets its secret.
   */
  readonly onWaiting?: (addresses: readonly string[]) => void
}

const REASONS: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  [CLOSE_CODE.malformed]: ['MALFORMED', 'The rendezvous did not understand what was sent.'],
  [CLOSE_CODE.noSuchRoom]: [
    'NOT_FOUND',
    'Nobody waits at this link: it was used, it has expired, or its page was closed.',
  ],
  [CLOSE_CODE.expired]: ['NOT_FOUND', 'The link has expired.'],
  [CLOSE_CODE.taken]: ['BUSY', 'Somebody else came by this link already; ask for a new one.'],
  [CLOSE_CODE.partnerLeft]: ['PEER_LOST', 'The other side left before the two were connected.'],
  [CLOSE_CODE.tooMuch]: ['LIMIT_EXCEEDED', 'The rendezvous takes no more from here; wait a minute.'],
  [CLOSE_CODE.full]: ['LIMIT_EXCEEDED', 'The rendezvous is full; try again later.'],
  // By `ws` itself.
  1009: ['LIMIT_EXCEEDED', 'The message was too large for the rendezvous.'],
}

/** Meets the other side at a rendezvous, which gets to see the room and the session descriptions, and never the secret. */
export function rendezvousSignalling(options: RendezvousOptions): Signalling {
  const { invitation, as, open = (url, protocol) => new WebSocket(url, protocol), onWaiting } = options
  const mailbox = new Mailbox()
  let socket: WebSocket
  try {
    socket = open(new URL(options.url).href, RENDEZVOUS_PROTOCOL)
  } catch (cause) {
    mailbox.end(new StorageError('OPEN_FAILED', 'The rendezvous cannot be reached.', { cause }))
    return { met: mailbox.met, send: () => {}, next: () => mailbox.next(), close: () => {} }
  }
  const say = (fields: object) => {
    if (socket.readyState === 1) socket.send(JSON.stringify(fields))
  }
  socket.addEventListener('open', () => {
    if (mailbox.isOpen) say({ room: invitation.room, as })
    else socket.close()
  })
  socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    const heard = readFromRendezvous(String(data))
    if (heard?.type === 'message') {
      mailbox.put(heard.message)
      if (as === 'host') mailbox.meet()
    } else if (heard?.type === 'together' && as === 'guest') mailbox.meet()
    else if (heard?.type === 'waiting' && as === 'host') onWaiting?.(heard.addresses)
    else mailbox.end(new StorageError('MALFORMED', 'The rendezvous says something else than agreed.'))
    if (!mailbox.isOpen) socket.close()
  })
  // Says nothing about why; the close that follows does.
  socket.addEventListener('error', () => {})
  socket.addEventListener('close', ({ code }) => {
    const [reason, sentence] = REASONS[code] ?? (['OPEN_FAILED', 'The rendezvous cannot be reached.'] as const)
    mailbox.end(new StorageError(reason, sentence, { context: { closeCode: code } }))
  })
  return {
    met: mailbox.met,
    send: (message) => say({ message }),
    next: () => mailbox.next(),
    close: () => {
      mailbox.end()
      // Closing one that is not open yet is an error on a browser's console; that one closes as soon as it is.
      if (socket.readyState === 1) socket.close()
    },
  }
}
