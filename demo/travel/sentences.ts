import { errorMessage } from '../../src/errors/storage-error.ts'
import type { WireError } from '../../src/errors/wire.ts'
import { formatBytes, formatDuration, formatPlural, formatRate } from '../format.ts'
import type { Statement } from '../mover/sentences.ts'
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

/** It ended early, at the side that has the disk. */
export function hostFailure(error: WireError, pulledHere: boolean): Statement {
  const stays = 'The disk stays here, whole, and the program writes on.'
  if (pulledHere) return { tone: 'stopped', sentence: `You pulled the plug. ${stays}`, detail: again(error) }
  if (error.code === 'PEER_LOST' || error.code === 'CLOSED') {
    return {
      tone: 'stopped',
      sentence: `The other side is gone before it had everything. ${stays}`,
      detail: again(error),
    }
  }
  if (error.code === 'UNAUTHORIZED') {
    return {
      tone: 'failed',
      sentence: 'Somebody answered who does not have the secret of your link, or listens in between. Nothing was sent.',
      detail: `${stays} Show a new link, and pass it on by another way.`,
    }
  }
  return { tone: 'failed', sentence: `${error.message} ${stays}`, detail: again(error) }
}

/** It ended early, at the side that was to get the disk. */
export function guestFailure(error: WireError, pulledHere: boolean, hadBegun: boolean): Statement {
  const stayed = hadBegun
    ? 'The disk stayed there, whole; the part that had arrived here was deleted.'
    : 'The disk stayed where it was.'
  if (pulledHere) return { tone: 'stopped', sentence: `You pulled the plug. ${stayed}`, detail: ask(error) }
  if (error.code === 'PEER_LOST' && hadBegun) {
    return {
      tone: 'stopped',
      sentence: `The other side is gone before the disk was here. ${stayed}`,
      detail: ask(error),
    }
  }
  if (error.code === 'UNAUTHORIZED') {
    return {
      tone: 'failed',
      sentence:
        'The other side does not have the secret of this link, or somebody listens in between. Nothing was taken.',
      detail: 'Ask for a new link, by another way.',
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
