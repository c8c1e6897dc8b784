import type { WireError } from '../../src/errors/wire.ts'
import { formatBytes, formatCount, formatDuration } from '../format.ts'
import type { Statement } from '../mover/sentences.ts'
import type { DatabasePlace, FromDatabase } from './messages.ts'

/** By place. */
export const PLACES = { indexeddb: 'IndexedDB', opfs: 'OPFS' } as const satisfies Record<DatabasePlace, string>

const running = (sentence: string, detail: string): Statement => ({ tone: 'running', sentence, detail })

/** What is going on with the database. */
export const DATABASE = {
  starting: running('Making a database.', ''),
  waiting: running('Waiting for the other side to open the link.', 'Rows are inserted meanwhile.'),
  proving: running('Connected; proving that both sides have the secret of the link.', 'Nothing is sent before.'),
  leaving: running('The database is on its way to the other side; rows are inserted here meanwhile.', ''),
  idle: {
    tone: 'idle',
    sentence: 'Somebody offers you a database that is in use, by this link.',
    detail: 'It comes here while rows are inserted over there, and then they are inserted here.',
  },
  looking: running('Looking for the side that offers the database.', 'It must still have its page open.'),
  coming: running('The database is coming, and is in use over there.', ''),
  withdrawn: { tone: 'stopped', sentence: 'The link is withdrawn. The database stays here.', detail: '' },
  expired: { tone: 'stopped', sentence: 'Nobody came by the link. The database stays here.', detail: '' },
  checking: running('Reading every page of the database, and counting its rows.', 'Rows are inserted meanwhile.'),
  unheard: {
    tone: 'stopped',
    sentence:
      'The connection ended when the database had just been given away. It is not written here any more, and kept.',
    detail:
      'The other side is looked for, to be told that the database is its own. Making another one gives this one up.',
  },
  telling: running(
    'Telling the other side that the database is its own.',
    'It is kept here until that side has heard it.',
  ),
  doubted: {
    tone: 'stopped',
    sentence: 'All of the database is here, but the connection ended before the other side said whose it is.',
    detail: 'It is not opened here, since it may be in use over there. The other side is looked for, to ask.',
  },
  undecided: {
    tone: 'failed',
    sentence:
      'The other side was not found again. All of the database is here, and only that side can say whose it is.',
    detail: 'If rows are inserted over there, it stayed there. Ask for a new link, then.',
  },
  damaged: {
    tone: 'failed',
    sentence: 'This link is damaged: its secret is incomplete.',
    detail: 'Copy all of it, or scan the code again.',
  },
} as const satisfies Record<string, Statement>

/** Rows are inserted in this place. */
export function using({ place, rows }: Extract<FromDatabase, { type: 'using' }>, hasCome: boolean): Statement {
  return {
    tone: hasCome ? 'equal' : 'idle',
    sentence: hasCome
      ? `The database is here now, in ${PLACES[place]}, with ${formatCount(rows)} rows, and more are inserted here.`
      : `Rows are inserted into a database in ${PLACES[place]}, all the time.`,
    detail: 'Move it while they are. Check counts the rows and lets SQLite look for damage.',
  }
}

/** On its way within this browser. */
export function swapping(to: DatabasePlace): Statement {
  return running(`The database moves to ${PLACES[to]}, and the open connection goes on.`, '')
}

/** It lies elsewhere in this browser now. */
export function swapped({ to, pauseMs, longestMs, bytesMoved }: Extract<FromDatabase, { type: 'swapped' }>): Statement {
  return {
    tone: 'equal',
    sentence: `The database is in ${PLACES[to]} now; statements were held for ${formatDuration(pauseMs)}.`,
    detail: `${formatBytes(bytesMoved)} were moved; the longest insert meanwhile took ${formatDuration(longestMs)}. The connection was never closed.`,
  }
}

/** It is the other side's. */
export function left({ pauseMs, rows, bytesMoved }: Extract<FromDatabase, { type: 'left' }>): Statement {
  return {
    tone: 'equal',
    sentence: `The other side has the database now, with ${formatCount(rows)} rows from here.`,
    detail: `${bytesMoved === undefined || pauseMs === undefined ? '' : `${formatBytes(bytesMoved)} were sent; statements were held for ${formatDuration(pauseMs)}. `}Here it is gone.`,
  }
}

/** What SQLite says, and whether the rows are all there. */
export function checked({ said, rows, expected, last }: Extract<FromDatabase, { type: 'checked' }>): Statement {
  // Rows go on being inserted between the two looks.
  const isRight = said === 'ok' && rows >= expected && rows === last
  return {
    tone: isRight ? 'equal' : 'failed',
    sentence: isRight
      ? `PRAGMA integrity_check says ok, and all ${formatCount(rows)} rows are there.`
      : `PRAGMA integrity_check says ${said}; there are ${formatCount(rows)} rows, numbered up to ${formatCount(last)}, and there should be ${formatCount(expected)}.`,
    detail: '',
  }
}

/** It did not work. */
export function databaseFailure({ code, message }: WireError, stillHere: boolean): Statement {
  const what = code === 'UNAUTHORIZED' ? 'Somebody answered who does not have the secret of your link.' : message
  return {
    tone: stillHere ? 'stopped' : 'failed',
    sentence: stillHere ? `${what} The database stays here, and is in use.` : what,
    detail: code ?? '',
  }
}
