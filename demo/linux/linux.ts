import { encodeError } from '../../src/errors/wire.ts'
import { part } from '../travel/stage.ts'
import { leadsToMachine, readMachineLink } from './link.ts'
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
  addEventListener('hashchange', () => leadsToMachine(location.hash) && location.reload())
}

async function arrive(section: HTMLElement): Promise<void> {
  const { hash } = location
  if (!leadsToMachine(hash)) return
  part(section, 'welcome').hidden = true
  // Out of the address at once: whoever looks over a shoulder or through the history later finds no secret.
  history.replaceState(history.state, '', location.pathname + location.search)
  const [{ Visit }, { MachineView }] = await Promise.all([import('./visit.ts'), import('./machine-view.ts')])
  try {
    const invitation = await readMachineLink(hash)
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
