import { errorCode, errorMessage, StorageError } from '../../errors/storage-error.ts'
import type { LiveMigrationResult } from '../../migration/migrate-live.ts'
import type { Connection } from '../../protocol/connection.ts'
import type { Output } from '../output.ts'
import { awaitPeers, type LinkOptions, part } from '../peer-link.ts'
import { type SourceOptions, SourceSide } from '../source-side.ts'

/** What `blockferry serve` was asked for. */
export interface ServeOptions extends SourceOptions {
  readonly link: LinkOptions
}

/**
 * Lets clients use a disk until somebody has pulled it, one at a time. A pull that fails leaves everything as it was and the next may come.
 * @throws StorageError `ABORTED` when interrupted before a hand-over; `OPEN_FAILED`, or the failure of a storage
 */
export async function serve(options: ServeOptions, output: Output, signal: AbortSignal): Promise<void> {
  const source = await SourceSide.open(options, output)
  let failure: unknown
  try {
    const live = await new PulledOnce(source, options.link, output).wait(signal)
    await source.retire()
    source.report('serve', live)
  } catch (error) {
    failure = error
  }
  await source.close(failure)
}

/** Waits for pulls until one of them ends with the hand-over. */
class PulledOnce {
  readonly #source: SourceSide
  readonly #link: LinkOptions
  readonly #output: Output
  readonly #visits = new Set<Promise<void>>()
  #isPulled = false
  #live: LiveMigrationResult | undefined

  constructor(source: SourceSide, link: LinkOptions, output: Output) {
    this.#source = source
    this.#link = link
    this.#output = output
  }

  async wait(signal: AbortSignal): Promise<LiveMigrationResult> {
    let end = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const door = await awaitPeers(this.#link, this.#output, {
      welcome: (connection) => {
        const visit = this.#visit(connection, signal).finally(() => {
          this.#visits.delete(visit)
          if (this.#live) end()
        })
        this.#visits.add(visit)
      },
      refused: (error) => this.#tell('refused', 'somebody was turned away', error),
    })
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    try {
      await ended
    } finally {
      signal.removeEventListener('abort', end)
      await door.close()
      // An interrupt during the hand-over itself comes too late; how it ended is known when the visit is over.
      await Promise.all(this.#visits)
    }
    if (this.#live) return this.#live
    throw new StorageError('ABORTED', 'interrupted; the disk stays here', { cause: signal.reason })
  }

  async #visit(connection: Connection, signal: AbortSignal): Promise<void> {
    if (this.#isPulled) {
      const busy = new StorageError('BUSY', 'somebody else is pulling this disk')
      this.#tell('refused', 'a second pull was turned away', busy)
      await part(connection, busy)
      return
    }
    this.#isPulled = true
    this.#output.event('pull', {}, 'a pull has begun')
    let failure: unknown
    try {
      this.#live = await this.#source.send(connection, signal)
    } catch (error) {
      this.#isPulled = false
      failure = signal.aborted ? new StorageError('ABORTED', 'the source was interrupted') : error
      if (!signal.aborted) this.#tell('pull-failed', 'a pull failed, the disk stays here', failure)
    }
    await part(connection, failure)
  }

  #tell(event: string, what: string, error: unknown): void {
    const code = errorCode(error)
    const message = errorMessage(error)
    const line = `${what}: ${message}${code === undefined ? '' : ` [${code}]`}`
    this.#output.event(event, { code: code ?? null, message }, line)
  }
}
