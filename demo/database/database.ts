import { leadsTo, takeInvitation } from '../travel/section-link.ts'
import { part, Stage } from '../travel/stage.ts'
import { DATABASE } from './sentences.ts'

/** Starts the section with a database that is in use, or takes the one that the page's address leads to. */
export function mountDatabase(section: HTMLElement): void {
  part(section, 'start').addEventListener('click', async () => {
    part(section, 'welcome').hidden = true
    // Loaded for those who want it: SQLite is larger than the rest of the page.
    const { DatabasePanel } = await import('./database-panel.ts')
    new DatabasePanel(section).start()
  })
  void arrive(section)
  // A link that is pasted into a page that is open already changes only its fragment.
  addEventListener('hashchange', () => leadsTo('database', location.hash) && location.reload())
}

async function arrive(section: HTMLElement): Promise<void> {
  if (!leadsTo('database', location.hash)) return
  part(section, 'welcome').hidden = true
  const invitation = await takeInvitation('database')
  if (invitation) {
    const { DatabasePanel } = await import('./database-panel.ts')
    new DatabasePanel(section).offer(invitation)
  } else {
    const stage = new Stage({})
    stage.say(DATABASE.damaged)
    section.append(stage.element)
  }
  document.title = 'blockferry: a database for you'
  section.scrollIntoView()
}
