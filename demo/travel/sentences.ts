import { errorMessage } from '../../src/errors/storage-error.ts'
import type { WireError } from '../../src/errors/wire.ts'
import { formatBytes, formatDuration, formatPlural, formatRate } from '../format.ts'
import type { Statement } from '../mover/sentences.ts'
import { percent } from './found-sentences.ts'
import type { Journey } from './messages.ts'

const running = (sentence: string, detail: string): Statement => ({ tone: 'running', sentence, detail })
const WRITES_ON = 'The program keeps writing to the disk here meanwhile.'

/** What the side says that has the disk. */
export const HOST = {
  idle: {
    tone: 'idle',
    sentence: 'Fill a disk here, and open its link in another tab, browser or phone.',
    detail: 'The disk goes there while a program keeps writing to it.',
  },
  preparing: running('Filling a disk with data that looks used.', 'About half of it is free space: zeroes.'),
  waiting: running('Waiting for the other side to open the link.', WRITES_ON),
  met: running('The other side is there; connecting to it directly.', WRITES_ON),
  proving: running('Connected; proving that both sides have the secret of the link.', 'Nothing is sent before.'),
  full: running('Sending every block once.', `${WRITES_ON} Blocks that the other side wants to read go first.`),
  dirty: running(
    'Sending blocks again that were written meanwhile.',
    'Rounds go on while they make the pause shorter.',
  ),
  locked: running('The program is held while the last blocks cross.', 'This is the pause.'),
  reopening: running('Opening the disk as the earlier page left it.', 'The program goes on with it.'),
  again: running(
    'Waiting for the other side to come back.',
    `${WRITES_ON} Its page resumes by itself or on request; the link works too.`,
  ),
  resumed: running(
    'The other side is back: going on where it stopped.',
    `${WRITES_ON} Both compare what they know; what is there already is not sent again.`,
  ),
  released: running(
    'This page gave the disk away, and waits for the other side to say that it has it.',
    'The copy here is not written any more, whatever happens. Nothing is missing over there but this last word.',
  ),
  stillReleased: {
    tone: 'stopped',
    sentence:
      'The other side has not come back. This page gave the disk away: its copy stays as it is, and is not written.',
    detail:
      'Show a new link, and open it where the disk went. If that is gone for good, reload this page to take the disk back.',
  },
  withdrawn: {
    tone: 'stopped',
    sentence: 'The link is withdrawn: nobody can come by it any more.',
    detail: 'The disk is still here, and the program writes on.',
  },
  expired: {
    tone: 'stopped',
    sentence: 'Nobody came: the link has expired.',
    detail: 'The disk is still here, and the program writes on. Show a new link when you are ready.',
  },
} as const satisfies Record<string, Statement>

/** What the side says that gets the disk. */
export const GUEST = {
  idle: {
    tone: 'idle',
    sentence: 'Somebody offers you a disk by this link.',
    detail: 'Choose where to keep it, then fetch it. You can read from it before it is here.',
  },
  meeting: running('Looking for the side that offers the disk.', 'It must still have its page open.'),
  met: running('The other side is there; connecting to it directly.', 'No byte of the disk passes through a server.'),
  proving: running('Connected; proving that both sides have the secret of the link.', 'Nothing is taken before.'),
  proved: running('Waiting for the disk to be announced.', ''),
  again: running(
    'Looking for the other side, to go on where it stopped.',
    'It must have its page open, and Resume chosen there if it was reloaded.',
  ),
  stopped: {
    tone: 'stopped',
    sentence: 'Not looking any more. The disk belongs to the other side, and what has arrived is kept here.',
    detail: 'Resume looks for the other side again; Discard frees the place here.',
  },
  using: running('Opening the disk.', ''),
  discarded: {
    tone: 'stopped',
    sentence: 'The part that had arrived is deleted. The disk stays where it was.',
    detail: 'Open a link to fetch another disk.',
  },
  takenOver: {
    tone: 'equal',
    sentence: 'You took the disk over: it belongs to this page now, and the program goes on here.',
    detail:
      'It is as it was when all of it had arrived here. Should the other side live and own it too, both stop when they meet.',
  },
  elsewhere: {
    tone: 'stopped',
    sentence: 'Another tab of this browser has a disk that came here earlier, and one at a time can be kept.',
    detail: 'Close that tab and open the link again, or open it in another browser.',
  },
  damaged: {
    tone: 'failed',
    sentence: 'This link is damaged: its secret is incomplete.',
    detail: 'Copy all of it, or scan the code again.',
  },
} as const satisfies Record<string, Statement>

/** The disk is coming in. */
export function arriving(size: number): Statement {
  return running(
    `A disk of ${formatBytes(size)} is coming in.`,
    'It can be read already: a block that is not here yet is fetched before the others.',
  )
}

/** A block was read by hand. */
export function readSentence(block: number, wasMissing: boolean, ms: number): string {
  return wasMissing
    ? `Block ${block} was not here yet, and was read after ${formatDuration(ms)}: it passed all others on the way.`
    : `Block ${block} was here, and was read after ${formatDuration(ms)}.`
}

/** The disk is the other side's. */
export function gaveAway(journey: Journey): Statement {
  const { size, bytesMoved, rounds, durationMs, pauseMs, writes, longestWriteMs } = journey
  if (rounds === 0) {
    return {
      tone: 'equal',
      sentence: 'The other side has said that it has the disk: it belongs to it, equal to the last byte.',
      detail: 'This page had given it away before; only the last word was missing.',
    }
  }
  return {
    tone: 'equal',
    sentence: 'This page gave the disk away: it belongs to the other side now, equal to the last byte.',
    detail:
      `For a disk of ${formatBytes(size)}, ${formatBytes(bytesMoved)} were carried over in ${formatDuration(durationMs)} and ${formatPlural(rounds, 'round')}, ` +
      `${formatRate((bytesMoved / Math.max(1, durationMs)) * 1000)} on average. ${formatPlural(writes, 'write')} of the program here; ` +
      `it was held for ${formatDuration(Math.max(pauseMs, longestWriteMs))} at most.`,
  }
}

/** The disk is this side's. */
export const GOT: Statement = {
  tone: 'equal',
  sentence: 'The disk is here and belongs to this page now, equal to the last byte. The program goes on here.',
  detail: 'The other side has stopped writing and said that it gave the disk away.',
}

/** Codes of a connection that ended, and not of a peer that refused: to be connected again. */
export function isLoss({ code }: WireError): boolean {
  return code === 'PEER_LOST' || code === 'CLOSED'
}

/** How a connection ended that is about to be made again. */
export interface Break {
  readonly pulledHere: boolean
  /** How much had crossed, 0 to 1. */
  readonly share: number
}

/** The connection is gone, at the side that has the disk; it waits for the other one. */
export function hostBreak({ pulledHere, share }: Break): Statement {
  const what = pulledHere ? `You pulled the plug at ${percent(share)}.` : `The connection ended at ${percent(share)}.`
  return running(
    `${what} The disk stays here, whole, and the program writes on.`,
    'Waiting for the other side, to go on from there: a page that is still open comes back by itself, a new one by the link.',
  )
}

/** The connection is gone, at the side that gets the disk; it looks for the other one. */
export function guestBreak({ pulledHere, share }: Break): Statement {
  const what = pulledHere ? `You pulled the plug at ${percent(share)}.` : `The connection ended at ${percent(share)}.`
  return running(
    `${what} What is here stays here; connecting again.`,
    'The disk still belongs to the other side. Reads of blocks that are missing wait.',
  )
}

/** It ended early, at the side that has the disk. */
export function hostFailure(error: WireError, isReleased: boolean): Statement {
  if (isReleased) {
    return {
      tone: 'failed',
      sentence: `${error.message} The disk is not written here any more, since the other side may own it.`,
      detail: again(error),
    }
  }
  const stays = 'The disk stays here, whole, and the program writes on.'
  if (error.code === 'UNAUTHORIZED') {
    return {
      tone: 'failed',
      sentence: 'Somebody answered who does not have the secret of your link, or listens in between. Nothing was sent.',
      detail: `${stays} Show a new link, and pass it on by another way.`,
    }
  }
  return { tone: isLoss(error) ? 'stopped' : 'failed', sentence: `${error.message} ${stays}`, detail: again(error) }
}

/** It ended early, at the side that was to get the disk. */
export function guestFailure(error: WireError, hadBegun: boolean): Statement {
  if (error.code === 'UNAUTHORIZED') {
    return {
      tone: 'failed',
      sentence:
        'The other side does not have the secret of this link, or somebody listens in between. Nothing was taken.',
      detail: 'Ask for a new link, by another way.',
    }
  }
  if (hadBegun) {
    return {
      tone: 'stopped',
      sentence: `${error.message} The disk stays with the other side; what has arrived is kept here.`,
      detail: `${error.code ?? error.name}. Resume looks for the other side again; Discard frees the place here.`,
    }
  }
  return { tone: 'failed', sentence: error.message, detail: ask(error) }
}

/** Whatever went wrong while texts were carried by hand. */
export function pasteProblem(error: unknown): string {
  return errorMessage(error)
}

function again({ code, name }: WireError): string {
  return `${code ?? name}. Show a new link to begin again.`
}

function ask({ code, name }: WireError): string {
  return `${code ?? name}. Ask for a new link to begin again.`
}
