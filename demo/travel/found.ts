import { errorCode, errorMessage } from '../../src/errors/storage-error.ts'
import { cancel } from '../../src/migration/journal/ownership.ts'
import type { Invitation } from '../../src/transports/pairing/invitation.ts'
import { FoundNotice } from './found-notice.ts'
import { type Choice, found } from './found-sentences.ts'
import { deleteDisk, type End, type Finding, openJournalOf, surveyEnd } from './travel-disks.ts'
import { noteJourney, readJourney, type TravelRecord } from './travel-record.ts'

/** What to do with what was left; the section does it. */
export interface FoundAnswer {
  readonly end: End
  readonly choice: Extract<Choice, 'resume' | 'offer' | 'use' | 'takeOver' | 'takeBack'>
  readonly record: TravelRecord
  readonly finding: Finding | undefined
}

/** Where the notices go, and who hears of the answer. */
export interface FoundOptions {
  readonly parent: HTMLElement
  readonly ends: readonly End[]
  readonly onAnswer: (answer: FoundAnswer) => void
  /** Nothing is left to decide. */
  readonly onNothing?: () => void
  /** A link by which the page was opened; only to be passed on. */
  readonly invitation?: Invitation
}

/** Looks for what earlier pages left, says it, and does what needs no connection: discards and deletes. */
export async function showFound(options: FoundOptions): Promise<void> {
  const shown: FoundNotice[] = []
  let open = 0
  const closeOne = (notice?: FoundNotice) => {
    notice?.remove()
    if (--open === 0) options.onNothing?.()
  }
  const ends = options.ends.filter((end) => readJourney(end) !== undefined)
  open = ends.length + 1
  for (const end of ends) {
    const record = readJourney(end)!
    const finding = await survey(end)
    // Another tab is at it. Or a kill came before there was anything worth keeping.
    if (finding === 'elsewhere') closeOne()
    else if (!finding && (end === 'arrival' || !record.isFilled)) {
      await clear(end)
      closeOne()
    } else {
      const answer = (choice: FoundAnswer['choice']) => {
        for (const notice of shown) notice.remove()
        options.onAnswer({ end, choice, record, finding })
      }
      const notice = new FoundNotice(options.parent, found(end, finding, record.settings.size), (choice) => {
        if (choice !== 'giveUp' && choice !== 'discard' && choice !== 'remove') return answer(choice)
        const work = choice === 'giveUp' ? giveUp(end, record, finding!) : clear(end)
        work.then(
          async () => {
            closeOne(notice)
            // What was a disk on its way is one at rest now.
            if (choice === 'giveUp') await showFound({ ...options, ends: [end] })
          },
          (error: unknown) => notice.complain(errorMessage(error)),
        )
      })
      shown.push(notice)
    }
  }
  closeOne()
}

async function survey(end: End): Promise<Finding | undefined | 'elsewhere'> {
  try {
    return await surveyEnd(end)
  } catch (error) {
    if (errorCode(error) === 'LOCKED') return 'elsewhere'
    throw error
  }
}

/** The source owns the disk as it did before. */
async function giveUp(end: End, record: TravelRecord, finding: Finding): Promise<void> {
  const journal = await openJournalOf(end, finding)
  try {
    await journal.become(cancel(journal.ownership!))
    await journal.clear()
  } finally {
    await journal.close()
  }
  noteJourney(end, { settings: record.settings, isFilled: true })
}

async function clear(end: End): Promise<void> {
  await deleteDisk(end)
  noteJourney(end, undefined)
}
