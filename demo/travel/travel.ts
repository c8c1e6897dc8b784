import { readInvitation } from '../../src/transports/pairing/invitation.ts'
import { GUEST } from './sentences.ts'
import { part, Stage } from './stage.ts'

/** Starts the section that sends a disk to another page, or takes the one that the page's address offers. */
export function mountTravel(section: HTMLElement): void {
  part(section, 'host').addEventListener('click', async () => {
    part(section, 'welcome').hidden = true
    // Loaded for those who want it: most visitors only look at the mover.
    const { Host } = await import('./host.ts')
    new Host(section)
  })
  void takeInvitation(section)
  // A link that is pasted into a page that is open already changes only its fragment.
  addEventListener('hashchange', () => location.hash.startsWith('#ferry=') && location.reload())
}

async function takeInvitation(section: HTMLElement): Promise<void> {
  const { hash } = location
  if (!hash.startsWith('#ferry=')) return
  part(section, 'welcome').hidden = true
  // Out of the address at once: whoever looks over a shoulder or through the history later finds no secret.
  history.replaceState(history.state, '', location.pathname + location.search)
  const invitation = await readInvitation(hash)
  if (invitation) {
    const { Guest } = await import('./guest.ts')
    new Guest(section, invitation)
  } else {
    const stage = new Stage({})
    stage.say(GUEST.damaged)
    section.append(stage.element)
  }
  document.title = 'blockferry: a disk for you'
  section.scrollIntoView()
}
