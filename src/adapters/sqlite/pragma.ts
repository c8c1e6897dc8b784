import type { SqliteModule } from './sqlite-module.ts'

/** A `PRAGMA` as SQLite shows it to a file system before it looks at it itself. */
export interface Pragma {
  readonly name: string
  readonly value: string | undefined
}

/** Journals that a disk keeps. The others write over a journal or need memory that connections share. */
const JOURNAL_MODES: readonly string[] = ['delete', 'truncate', 'memory', 'off']

/** Reads the argument of `SQLITE_FCNTL_PRAGMA`: pointers to an answer, the name and the value (https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html). */
export function readPragma(memory: Uint8Array, argument: DataView): Pragma {
  return { name: textAt(memory, argument.getUint32(4, true)) ?? '', value: textAt(memory, argument.getUint32(8, true)) }
}

/** Why a journal mode is refused; undefined for one that is not, and for any other pragma. */
export function journalModeRefusal({ name, value }: Pragma): string | undefined {
  if (name.toLowerCase() !== 'journal_mode' || value === undefined) return undefined
  if (JOURNAL_MODES.includes(value.toLowerCase())) return undefined
  return `journal_mode is one of ${JOURNAL_MODES.join(', ')} on this disk`
}

/** Gives SQLite the text of an answer; it frees it. */
export function answerPragma(module: SqliteModule, argument: DataView, text: string): void {
  const bytes = new TextEncoder().encode(`${text}\0`)
  const pointer = module._sqlite3_malloc(bytes.length)
  module.HEAPU8.set(bytes, pointer)
  // The memory may have grown, and the argument with it has another place.
  new DataView(module.HEAPU8.buffer, argument.byteOffset).setUint32(0, pointer, true)
}

function textAt(memory: Uint8Array, pointer: number): string | undefined {
  if (pointer === 0) return undefined
  return new TextDecoder().decode(memory.slice(pointer, memory.indexOf(0, pointer)))
}
