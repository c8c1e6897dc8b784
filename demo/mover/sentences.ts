import { ERROR_CODES } from '../../src/errors/storage-error.ts'
import type { WireError } from '../../src/errors/wire.ts'
import { formatBytes, formatDuration, formatPlural, formatRate } from '../format.ts'
import type { Outcome, Remains, Step } from './messages.ts'
import { type Settings, STORAGE_NAMES } from './settings.ts'

/** How the outcome panel looks; `equal` and `failed` are coloured. */
export type Tone = 'idle' | 'running' | 'equal' | 'stopped' | 'failed'

/** What the outcome panel says: one sentence that is read out, and one below it. */
export interface Statement {
  readonly tone: Tone
  readonly sentence: string
  readonly detail: string
}

/** Before the first run. */
export const INVITATION: Statement = {
  tone: 'idle',
  sentence: 'Press Start. The disk moves while it is being written, and at the end you see whether anything was lost.',
  detail: 'Each cell below will be a block of the disk.',
}

/** Between Start and the first word of the worker. */
export const GETTING_READY: Statement = {
  tone: 'running',
  sentence: 'Getting ready.',
  detail: 'Making room for the disks.',
}

/** The second line while nothing crosses. */
export const CHECKING = 'What has crossed is being made durable and read back; the program writes on.'

/** What is going on in a step; `reuse` when the source is as an earlier run left it. */
export function stepStatement(
  step: Step,
  settings: Settings,
  { round, reuse }: { round: number; reuse: boolean },
): Statement {
  const from = STORAGE_NAMES[settings.source]
  const to = STORAGE_NAMES[settings.destination]
  const writing = settings.writeRate === 0 ? 'No program is writing.' : 'The program keeps writing to the source.'
  const sentences: Record<Step, readonly [string, string]> = {
    fill: reuse
      ? [`Looking through the source disk in ${from} as it was left.`, 'Nothing is changed on it.']
      : [
          `Filling the source disk in ${from} with ${formatBytes(settings.size)} that look used.`,
          'About half of it is free space: zeroes.',
        ],
    full: [`Moving every block from ${from} to ${to} once.`, writing],
    dirty: [
      'Blocks written meanwhile move again, round by round.',
      `Round ${Math.max(1, round)}. Rounds go on while they make the pause shorter.`,
    ],
    locked: ['The program is held while the last blocks cross.', 'This is the pause.'],
    compare: ['Reading both disks back and comparing them.', 'Each side is opened again and hashed by itself.'],
  }
  const [sentence, detail] = sentences[step]
  return { tone: 'running', sentence, detail }
}

/** The verdict. */
export function verdict(outcome: Outcome): Statement {
  const detail =
    `${formatBytes(outcome.bytesMoved)} in ${formatPlural(outcome.rounds, 'round')}, ${formatDuration(outcome.durationMs)}, ` +
    `${formatRate((outcome.bytesMoved / Math.max(1, outcome.durationMs)) * 1000)} on average. ` +
    'The root hashes below were computed from what each storage holds.'
  if (outcome.sourceRoot !== outcome.destinationRoot) {
    return {
      tone: 'failed',
      sentence:
        'The two disks differ: something was lost. Keep the source, and please report this with the settings you chose.',
      detail,
    }
  }
  const writer =
    outcome.writes === 0
      ? 'No program was writing.'
      : `${formatPlural(outcome.writes, 'write')} while moving, longest pause of the program ${formatDuration(Math.max(outcome.pauseMs, outcome.longestWriteMs))}.`
  return { tone: 'equal', sentence: `Nothing was lost: both disks have the same root hash. ${writer}`, detail }
}

/** After Cancel. */
export function cancelled({ settings, filled, writes }: Remains): Statement {
  if (!filled) {
    return {
      tone: 'stopped',
      sentence: 'Cancelled before the move began. The half-filled source disk was deleted.',
      detail: 'Press Start to begin again.',
    }
  }
  return {
    tone: 'stopped',
    sentence: `Cancelled. The move changed nothing on the source disk in ${STORAGE_NAMES[settings.source]}; it holds everything the program wrote.`,
    detail: `${formatPlural(writes, 'write')} went through, none was lost. The unfinished copy was deleted.`,
  }
}

/** What to do about it, where this page knows better than the library. */
const ADVICE: { readonly [Code in keyof typeof ERROR_CODES]?: string } = {
  QUOTA_EXCEEDED: 'The browser does not give this page enough space; choose a smaller disk, or delete the demo disks.',
  LOCKED: 'Another tab is using the demo disks; finish or close the demo there, then press Start.',
  OUT_OF_MEMORY: 'The disk does not fit in memory; choose a smaller size, or another storage.',
  NOT_SUPPORTED: 'This browser lacks what the storage needs, as private windows often do; choose another storage.',
  NOT_FOUND: 'The disk is gone, perhaps deleted with the data of this site; press Start for a new one.',
  SHORT_READ: 'The storage returned fewer bytes than it holds; try again, or choose another storage.',
  SHORT_WRITE: 'The storage took fewer bytes than it was given; try again, or choose another storage.',
  DID_NOT_CONVERGE:
    'The program writes faster than blocks move, so the move would never end; lower its rate or raise the speed of the move.',
}

/** A failure as one sentence with what to do, and the technical words below. */
export function failure(error: WireError, remains: Remains | undefined): Statement {
  const { code, message, cause } = error
  const sentence =
    code === undefined
      ? 'Something unexpected went wrong; reload the page and try again.'
      : (ADVICE[code] ?? ERROR_CODES[code])
  const kept = remains?.filled ? ' The source disk is unchanged by the move.' : ''
  // The library's own sentence for a code would only repeat the advice.
  const words = [message, cause?.message].filter(
    (part) => part && part !== sentence && part !== (code && ERROR_CODES[code]),
  )
  return { tone: 'failed', sentence: `${sentence}${kept}`, detail: [code ?? error.name, ...words].join(': ') }
}
