import { HashedCopy } from '../../devices/hashed-copy.ts'
import { showCopy } from '../../devices/remote-copy.ts'
import type { SentDisk } from '../../devices/send-disk.ts'
import { StorageError } from '../../errors/storage-error.ts'
import { type Connection, FEATURE } from '../../protocol/connection.ts'
import { createBlockHasher } from '../../storage/block-hasher.ts'
import type { Output } from '../output.ts'
import { awaitPeers, type LinkOptions, part, partForGood } from '../peer-link.ts'
import { type SourceOptions, SourceSide } from '../source-side.ts'
import { tellFailure, Visitors } from '../visitors.ts'

/** What `blockferry serve` was asked for. */
export interface ServeOptions extends SourceOptions {
  readonly link: LinkOptions
}

/**
 * Lets clients use a disk until somebody has pulled it, one at a time. A pull that fails leaves everything as it was and the next may come; one that
 * was cut after the disk was given away is waited for. After a kill the same call goes on from the journal.
 * @throws StorageError `ABORTED` when interrupted before a hand-over; `OPEN_FAILED`, or the failure of a storage
 */
export async function serve(options: ServeOptions, output: Output, signal: AbortSignal): Promise<void> {
  const source = await SourceSide.open(options, options.link.dialect, output)
  let failure: unknown
  try {
    source.report('serve', await new PulledOnce(source, options, output).wait(signal))
  } catch (error) {
    failure = error
  }
  await source.close(failure)
}

/** Waits for pulls until one of them has everything. */
class PulledOnce {
  readonly #source: SourceSide
  readonly #options: ServeOptions
  readonly #output: Output
  readonly #visitors: Visitors
  readonly #visits = new Set<Promise<void>>()
  /** Who compares. */
  readonly #guests = new Set<Connection>()
  #sent: SentDisk | undefined

  constructor(source: SourceSide, options: ServeOptions, output: Output) {
    this.#source = source
    this.#options = options
    this.#output = output
    this.#visitors = new Visitors(output, 'somebody else is pulling this disk')
  }

  async wait(signal: AbortSignal): Promise<SentDisk> {
    let end = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const { link, name } = this.#options
    const offered = link.dialect === 'silo' ? 0 : FEATURE.compare
    const door = await awaitPeers({ ...link, offered }, this.#output, {
      welcome: (connection) => {
        if (connection.wanted & FEATURE.compare) {
          void this.#compared(connection, name)
          return
        }
        const visit = this.#visitors
          .welcome(connection, () => this.#visit(connection, signal))
          .finally(() => {
            this.#visits.delete(visit)
            if (this.#sent) end()
          })
        this.#visits.add(visit)
      },
      refused: (error) => this.#visitors.turnedAway('somebody was turned away', error),
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
      const over = new StorageError('CLOSED', 'the disk is not served any more')
      await Promise.all([...this.#guests].map((guest) => part(guest, over)))
    }
    if (this.#sent) return this.#sent
    throw new StorageError('ABORTED', interruptedText(this.#source), { cause: signal.reason })
  }

  /** Somebody wants to know whether his copy is equal; the disk stays in use, and may be moving. */
  async #compared(connection: Connection, name: string): Promise<void> {
    const { disk } = this.#source
    const { face, blockSize } = disk
    this.#output.event('compared', {}, 'somebody compares the disk with a copy')
    const copy = new HashedCopy(face, { blockSize, hasher: await createBlockHasher() })
    const mayWrite = () => this.#options.allowRepair === true && !this.#source.isReleased && !this.#visitors.isBusy
    this.#guests.add(connection)
    try {
      await showCopy(connection, { copy, name, mayWrite })
      await connection.rw.ended
    } catch (error) {
      await part(connection, error)
    }
    this.#guests.delete(connection)
  }

  async #visit(connection: Connection, signal: AbortSignal): Promise<void> {
    if (this.#sent) {
      await part(connection, new StorageError('NOT_OWNER', 'the disk has moved away'))
      return
    }
    this.#output.event('pull', {}, 'a pull has begun')
    let failure: unknown
    try {
      const sent = await this.#source.send(connection, signal)
      if (sent.acknowledged || connection.dialect === 'silo') this.#sent = sent
      else failure = new StorageError('PEER_LOST', 'the link was lost behind the last word', { cause: sent.reason })
    } catch (error) {
      failure = signal.aborted ? new StorageError('ABORTED', 'the source was interrupted') : error
    }
    if (failure !== undefined && !signal.aborted) {
      const { isReleased, isInDoubt } = this.#source
      const what = isReleased
        ? 'the disk was given away, and the other side must come back'
        : isInDoubt
          ? 'a pull failed, and nobody writes the disk until its journal can be written'
          : 'a pull failed, the disk stays here'
      tellFailure(this.#output, isReleased ? 'released' : 'pull-failed', what, failure)
    }
    await (failure === undefined ? partForGood(connection) : part(connection, failure))
  }
}

/** What an interrupt leaves behind. */
export function interruptedText(source: SourceSide): string {
  if (source.isInDoubt)
    return 'interrupted; whether the disk was given away could not be stored: start this again for the other side to hear it'
  return source.isReleased
    ? 'interrupted; the disk was given away, and the other side has not said that it has everything: start this again'
    : 'interrupted; the disk stays here'
}
