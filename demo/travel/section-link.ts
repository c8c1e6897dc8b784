import { type Invitation, invitationLink, readInvitation } from '../../src/transports/pairing/invitation.ts'
import type { LinkBox } from './link-box.ts'

/** What a link leads to, by the first word of its fragment. */
export type LinkWord = 'ferry' | 'linux' | 'database'

/** Whether the page's address leads to this. */
export function leadsTo(word: LinkWord, hash: string): boolean {
  return hash.startsWith(`#${word}=`)
}

/** Reads the invitation from the address and takes it out of there; undefined when it is damaged. */
export function takeInvitation(word: LinkWord): Promise<Invitation | undefined> {
  const { hash } = location
  // Out of the address at once: whoever looks over a shoulder or through the history later finds no secret.
  history.replaceState(history.state, '', location.pathname + location.search)
  return readInvitation(hash.replace(`#${word}=`, '#ferry='))
}

/** Shows the link of an invitation. `addresses`: those by which the server that this page came from says it can be reached. */
export function showInvitation(
  box: LinkBox,
  word: LinkWord,
  invitation: Invitation,
  addresses: readonly string[],
): void {
  // What this machine calls itself leads nowhere on another one; the server knows more. Its word is taken only for another address of itself,
  // since whoever a link leads to gets its secret.
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)
  const [address] = isLocal ? addresses.filter((other) => new URL(other).port === location.port) : []
  const page = address === undefined ? location.href : new URL(location.pathname, address).href
  const link = invitationLink(page, invitation).replace('#ferry=', `#${word}=`)
  box.show(link, { isLocal: isLocal && address === undefined })
}
