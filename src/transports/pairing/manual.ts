import { StorageError } from '../../errors/storage-error.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import { MESSAGE_BYTES } from './limits.ts'
import { Mailbox, type Signalling } from './signalling.ts'

/** A way that people carry: texts to copy on one side and to paste on the other. */
export interface ManualSignalling extends Signalling {
  /** Takes what was pasted. White space that mail and chat put in is ignored. @throws StorageError `MALFORMED` when it is something else */
  paste(text: string): void
}

const MARK = 'blockferry-'

/**
 * The last resort where no rendezvous can be reached. The guest's text is the offer, the host's the answer.
 * @param show gets each text that is to be carried to the other side
 */
export function manualSignalling(show: (text: string) => void): ManualSignalling {
  const mailbox = new Mailbox()
  return {
    met: mailbox.met,
    send: (message) => show(MARK + toBase64Url(new TextEncoder().encode(message))),
    next: () => mailbox.next(),
    close: () => mailbox.end(),
    paste: (text) => {
      mailbox.put(read(text))
      mailbox.meet()
    },
  }
}

function read(text: string): string {
  const bare = text.replaceAll(/\s/g, '')
  const bytes =
    bare.startsWith(MARK) && bare.length <= 2 * MESSAGE_BYTES ? fromBase64Url(bare.slice(MARK.length)) : undefined
  if (!bytes || bytes.length === 0)
    throw new StorageError('MALFORMED', 'This is not the text of the other side; copy all of it.')
  return new TextDecoder().decode(bytes)
}
