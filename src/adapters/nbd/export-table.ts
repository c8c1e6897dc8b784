import type { Clock } from '../../async/clock.ts'
import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { StorageError } from '../../errors/storage-error.ts'
import type { ExportDirectory } from './handshake.ts'
import { STRING_BYTES } from './limits.ts'
import { NbdExport, type NbdExportOptions } from './nbd-export.ts'

/** Exports by name. */
export type NbdExports = ReadonlyMap<string, NbdExportOptions> | Readonly<Record<string, NbdExportOptions>>

/** The exports of a server. The empty name means the export of that name, else the only one there is. */
export class ExportTable implements ExportDirectory<NbdExport> {
  readonly #exports = new Map<string, NbdExport>()
  closing = false

  constructor(exports: NbdExports, clock: Clock) {
    const entries = exports instanceof Map ? exports : Object.entries(exports)
    for (const [name, options] of entries as Iterable<[string, NbdExportOptions]>) {
      checkText('name', name)
      checkText('description', options.description ?? '')
      this.#exports.set(name, new NbdExport(name, options, clock))
    }
  }

  list(): readonly NbdExport[] {
    return [...this.#exports.values()]
  }

  find(name: string): NbdExport | undefined {
    const found = this.#exports.get(name)
    return found || name !== '' || this.#exports.size !== 1 ? found : this.list()[0]
  }

  /** @throws StorageError `NOT_FOUND` */
  get(name: string): NbdExport {
    const found = this.#exports.get(name)
    if (!found) throw new StorageError('NOT_FOUND', `there is no export "${name}"`)
    return found
  }
}

function checkText(argument: string, text: string): void {
  if (new TextEncoder().encode(text).length > STRING_BYTES || text.includes('\0')) {
    throw new InvalidArgumentError(argument, `at most ${STRING_BYTES} bytes of UTF-8 without NUL`, text)
  }
}
