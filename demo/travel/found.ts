import { errorCode, errorMessage } from '../../src/errors/storage-error.ts'
import { cancel } from '../../src/migration/journal/ownership.ts'
import { FoundNotice } from './found-notice.ts'
import { CHOICES, type Choice, found } from './found-sentences.ts'
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
  /** The page was opened by a link to a disk. */
  readonly isInvited?: boolean
  readonly onAnswer: (answer: FoundAnswer) => void
  /** There is something to decide. */
  readonly onShown?: () => void
  /** Nothing is left to decide. */
  readonly onNothing?: () => void
  /** Another tab has the disk of this end. */
  readonly onElsewhere?: () => void
}

/** Looks for what earlier pages left, says it, and does what needs no connection: discards and deletes. */
export async function showFound(options: FoundOptions): Promise<void> {
  const shown = new Set<FoundNotice<Choice>>()
  let isElsewhere = false
  const settle = () => {
    if (shown.size > 0) return
    if (isElsewhere) options.onElsewhere?.()
    else options.onNothing?.()
  }
  for (const end of options.ends) {
    const record = readJourney(end)
    const finding = record && (await survey(end))
    if (!record) continue
    if (finding === 'elsewhere') {
      isElsewhere = true
      continue
    }
    if (!finding && (end === 'arrival' || !record.isFilled)) {
      // A kill came before there was anything worth keeping.
      await clear(end)
      continue
    }
    const notice = new FoundNotice<Choice>(
      { parent: options.parent, label: 'What an earlier page left', texts: CHOICES },
      found(end, farther(finding, record), record.settings.size, options.isInvited),
      (choice) => {
        if (choice !== 'giveUp' && choice !== 'discard' && choice !== 'forsake' && choice !== 'remove') {
          for (const other of shown) other.remove()
          return options.onAnswer({ end, choice, record, finding })
        }
        const work = choice === 'giveUp' ? giveUp(end, record, finding!) : clear(end)
        work.then(
          () => {
            notice.remove()
            shown.delete(notice)
            // What was a disk on its way is one at rest now.
            return choice === 'giveUp' ? showFound({ ...options, ends: [end] }) : settle()
          },
          (error: unknown) => notice.complain(errorMessage(error)),
        )
      },
    )
    shown.add(notice)
    options.onShown?.()
  }
  settle()
}

/** A source that is written forgets what was sent, until it has looked again; what its page saw last is the better word. */
function farther(finding: Finding | undefined, { share = 0 }: TravelRecord): Finding | undefined {
  return finding && { ...finding, share: Math.max(finding.share, share) }
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
