import { encodeError } from '../../src/errors/wire.ts'
import { leadsTo, takeInvitation } from '../travel/section-link.ts'
import { part } from '../travel/stage.ts'
import { MACHINE, notStarted } from './sentences.ts'

/** Starts the section that runs a Linux in this tab, or takes the one that the page's address leads to. */
export function mountLinux(section: HTMLElement): void {
  const start = part<HTMLButtonElement>(section, 'start')
  start.addEventListener('click', async () => {
    part(section, 'welcome').hidden = true
    // Loaded for those who want it: the emulator alone is larger than all the rest of the page.
    const { Home } = await import('./home.ts')
    new Home(section)
  })
  void arrive(section)
  // A link that is pasted into a page that is open already changes only its fragment.
  addEventListener('hashchange', () => leadsTo('linux', location.hash) && location.reload())
}

async function arrive(section: HTMLElement): Promise<void> {
  if (!leadsTo('linux', location.hash)) return
  part(section, 'welcome').hidden = true
  const read = takeInvitation('linux')
  const [{ Visit }, { MachineView }] = await Promise.all([import('./visit.ts'), import('./machine-view.ts')])
  try {
    const invitation = await read
    if (invitation) new Visit(section, invitation)
    else {
      const view = new MachineView()
      section.append(view.element)
      view.say(MACHINE.damaged)
    }
  } catch (error) {
    const view = new MachineView()
    section.append(view.element)
    view.say(notStarted(encodeError(error)))
  }
  document.title = 'blockferry: a machine for you'
  section.scrollIntoView()
}
