import type { WireError } from '../../src/errors/wire.ts'
import { formatBytes, formatDuration, formatPlural } from '../format.ts'
import type { Statement } from '../mover/sentences.ts'

const running = (sentence: string, detail: string): Statement => ({ tone: 'running', sentence, detail })

/** What is going on with a machine. */
export const MACHINE = {
  missing: {
    tone: 'stopped',
    sentence:
      'This page was served without a Linux: the command npm run guest builds one, or choose an image and a BIOS of your own.',
    detail: 'The disks and the database further down need neither.',
  },
  fetching: running('Fetching the machine.', 'Its kernel, its first files and its disk.'),
  restoring: running('Waking the machine that was kept here when it had booted.', 'This takes a second or two.'),
  booting: running(
    'Linux is booting; the first time takes some twenty seconds.',
    'Once it has, it is kept in this browser, and the next start takes a second or two.',
  ),
  starting: running('Your machine is starting from its disk.', ''),
  keeping: running('Linux has booted; keeping it for the next time.', ''),
  waiting: running('Waiting for the other side to open the link.', 'The machine runs on meanwhile.'),
  proving: running('Connected; proving that both sides have the secret of the link.', 'Nothing is sent before.'),
  agreeing: running(
    'Agreeing with the other side on the machine.',
    'It must have the same emulator and as much memory.',
  ),
  moving: running(
    'The disk and the memory are moving, and the machine runs on: type to it.',
    'What it writes meanwhile is noticed and sent again.',
  ),
  stopped: running('Stopped for a blink: the last differences cross.', ''),
  unheard: running(
    'The machine was given away, and the connection ended before the other side said that it has it. Looking for the other side.',
    'Keep this page open until it is found: the machine may wait there for the word of this page. It never runs here again.',
  ),
  withdrawn: {
    tone: 'stopped',
    sentence: 'The link is withdrawn. The machine runs on here.',
    detail: '',
  },
  expired: { tone: 'stopped', sentence: 'Nobody came by the link. The machine runs on here.', detail: '' },
  idle: {
    tone: 'idle',
    sentence: 'Somebody offers you a running Linux by this link.',
    detail: 'It appears here as it is there, in the middle of whatever it does, and goes on here.',
  },
  looking: running('Looking for the side that offers the machine.', 'It must still have its page open.'),
  coming: running('The machine is coming, and runs on over there.', 'Its screen appears here when it has arrived.'),
  arrived: {
    tone: 'equal',
    sentence: 'The machine runs here now, in the middle of whatever it was doing.',
    detail: 'It can be moved on, or back. The other side says how long it stood still.',
  },
  takenOver: {
    tone: 'equal',
    sentence: 'The machine runs here now, without the last word of the other side.',
    detail: 'It can be moved on. Do not go on with it over there.',
  },
  inDoubt: running(
    'The connection ended in the moment of the hand-over: only the other side can tell whose the machine is. Looking for it.',
    'It runs here once both pages have met, if it was given away. If it runs on over there, it was not: ask for a new link.',
  ),
  damaged: {
    tone: 'failed',
    sentence: 'This link is damaged: its secret is incomplete.',
    detail: 'Copy all of it, or scan the code again.',
  },
} as const satisfies Record<string, Statement>

/** The machine can be used: the Linux of this page, or what a visitor has chosen, of which nothing is known. */
export function ready({ place, bytes, isOwn }: { place: string; bytes: number; isOwn: boolean }): Statement {
  const disk = `Its disk of ${formatBytes(bytes)} is in ${place}.`
  return {
    tone: 'idle',
    sentence: `${isOwn ? 'Your machine' : 'Linux'} is running in this tab.`,
    detail: isOwn ? `${disk} Move it while it runs.` : `${disk} Type clock, press Enter, and move it while it ticks.`,
  }
}

/** It is the other side's. */
export function leftFor({
  pauseMs,
  bytesMoved,
  rounds,
}: {
  pauseMs: number | undefined
  bytesMoved: number
  rounds: number
}): Statement {
  return {
    tone: 'equal',
    sentence: `The machine runs on the other side now.${pauseMs === undefined ? '' : ` It stood still for ${formatDuration(pauseMs)}.`}`,
    detail: `${formatBytes(bytesMoved)} were sent in ${formatPlural(rounds, 'round')}. What you see is its last picture here; it never runs here again.`,
  }
}

/** The move ended early, at the side that has the machine. */
export function stayed({ code, message }: WireError, isRunning: boolean): Statement {
  const what = code === 'UNAUTHORIZED' ? 'Somebody answered who does not have the secret of your link.' : message
  const how = isRunning ? 'runs on' : 'stands still'
  return { tone: 'stopped', sentence: `${what} The machine ${how} here.`, detail: code ?? '' }
}

/** It ended early, at the side that was to get it. */
export function notArrived({ code, message }: WireError): Statement {
  return {
    tone: 'failed',
    sentence: `${message} The machine stays with the other side.`,
    detail: `${code ?? 'Error'}. Ask for a new link to begin again.`,
  }
}

/** Its disk fails while it runs. */
export function diskFailed({ code, message }: WireError): Statement {
  return { tone: 'failed', sentence: `The machine stands still, since its disk failed: ${message}`, detail: code ?? '' }
}

/** It does not start. */
export function notStarted({ code, message }: WireError): Statement {
  return { tone: 'failed', sentence: message, detail: code ?? '' }
}
