import { errorMessage } from '../../src/errors/storage-error.ts'
import type { Invitation } from '../../src/transports/pairing/invitation.ts'
import type { FoundAnswer } from './found.ts'
import { leadsTo, takeInvitation } from './section-link.ts'
import { GUEST } from './sentences.ts'
import { part, Stage } from './stage.ts'
import type { End } from './travel-disks.ts'
import { readJourney } from './travel-record.ts'

/** Starts the section that sends a disk to another page, takes the one that the page's address offers, or goes on with what an earlier page left. */
export function mountTravel(section: HTMLElement): void {
  part(section, 'host').addEventListener('click', async () => {
    leave(section)
    // Loaded for those who want it: most visitors only look at the mover.
    const { Host } = await import('./host.ts')
    new Host(section)
  })
  begin(section).catch((error: unknown) => {
    const stage = new Stage({})
    stage.say({
      tone: 'failed',
      sentence: `What an earlier page left cannot be read: ${errorMessage(error)}`,
      detail: '',
    })
    section.append(stage.element)
  })
  // A link that is pasted into a page that is open already changes only its fragment.
  addEventListener('hashchange', () => leadsTo('ferry', location.hash) && location.reload())
}

async function begin(section: HTMLElement): Promise<void> {
  if (!leadsTo('ferry', location.hash)) return showLeft(section, ['departure', 'arrival'], undefined)
  part(section, 'welcome').hidden = true
  const invitation = await takeInvitation('ferry')
  if (!invitation) {
    const stage = new Stage({})
    stage.say(GUEST.damaged)
    section.append(stage.element)
  } else if (readJourney('arrival')) await showLeft(section, ['arrival'], invitation)
  else await take(section, invitation)
  document.title = 'blockferry: a disk for you'
  section.scrollIntoView()
}

/** What came here before goes on by this link, or makes room for what the link offers. */
async function showLeft(section: HTMLElement, ends: readonly End[], invitation: Invitation | undefined): Promise<void> {
  if (!ends.some((end) => readJourney(end))) return
  const { showFound } = await import('./found.ts')
  const common = {
    parent: part(section, 'found'),
    ends,
    onAnswer: (answer: FoundAnswer) => void goOn(section, answer, invitation),
  }
  if (invitation) {
    await showFound({
      ...common,
      isInvited: true,
      onNothing: () => void take(section, invitation),
      onElsewhere: () => {
        const stage = new Stage({})
        stage.say(GUEST.elsewhere)
        section.append(stage.element)
      },
    })
    return
  }
  const welcome = part(section, 'welcome')
  await showFound({
    ...common,
    // A new disk would take the place of the one that was found.
    onShown: () => {
      welcome.hidden = true
    },
    onNothing: () => {
      welcome.hidden = false
    },
  })
}

async function goOn(section: HTMLElement, answer: FoundAnswer, invitation: Invitation | undefined): Promise<void> {
  const { end, record, finding, choice } = answer
  leave(section)
  if (end === 'departure') {
    const { Host } = await import('./host.ts')
    new Host(section, { record, finding, takeBack: choice === 'takeBack' })
  } else if (finding && (choice === 'resume' || choice === 'use' || choice === 'takeOver')) {
    const { Guest } = await import('./guest.ts')
    new Guest(section, invitation, { record, finding, choice })
  }
}

async function take(section: HTMLElement, invitation: Invitation): Promise<void> {
  const { Guest } = await import('./guest.ts')
  new Guest(section, invitation)
}

/** The section is for one journey from here on. */
function leave(section: HTMLElement): void {
  part(section, 'welcome').hidden = true
  part(section, 'found').replaceChildren()
}
