import type { Socket } from 'node:net'
import { basename } from 'node:path'
import { systemClock } from '../../src/async/clock.ts'
import type { Random } from '../../src/async/random.ts'
import { COMMAND, NbdWire } from './nbd-wire.ts'
import { PAGE_BYTES, pageContent, type WriteLedger } from './write-ledger.ts'

/** Pages written before each flush. */
const BATCH = 8

/** Writes pages to an NBD export over a unix socket and flushes them, again and again, by way of a ledger; calls again when it is cut off. */
export class NbdWriter {
  /** Resolves when it has stopped: told so, or refused since the disk has moved away. */
  readonly ended: Promise<void>
  /** Batches that were flushed. */
  batches = 0
  readonly #path: string
  readonly #ledger: WriteLedger
  readonly #random: Random
  readonly #pauseMs: number
  #socket: Socket | undefined
  #isOver = false

  constructor(path: string, ledger: WriteLedger, random: Random, pauseMs: number) {
    this.#path = path
    this.#ledger = ledger
    this.#random = random
    this.#pauseMs = pauseMs
    this.ended = this.#run()
  }

  /** Ends after the batch under way. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.ended
  }

  /** Hangs up at once. */
  cut(): void {
    this.#isOver = true
    this.#socket?.destroy()
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      try {
        const wire = await NbdWire.open(this.#path, (socket) => {
          this.#socket = socket
        })
        while (!this.#isOver) {
          if (!(await this.#batch(wire))) {
            this.#isOver = true
            break
          }
          await systemClock.sleep(this.#pauseMs)
        }
        wire.send(COMMAND.disconnect, 0, 0)
        this.#socket?.end()
      } catch {
        this.#socket?.destroy() // Nobody is there, or not any more.
        if (!this.#isOver) await systemClock.sleep(30)
      }
    }
  }

  /** False when it was refused. */
  async #batch(wire: NbdWire): Promise<boolean> {
    const writes: number[] = []
    const answers: Promise<number>[] = []
    const taken = new Set<number>()
    while (writes.length < BATCH) {
      const page = Math.floor(this.#random() ** 2 * this.#ledger.pages)
      // Two writes of one page under way would have no order.
      if (taken.has(page)) continue
      taken.add(page)
      const write = this.#ledger.issue(page, basename(this.#path))
      writes.push(write)
      answers.push(this.#write(wire, page, write))
    }
    const errors = await Promise.all(answers)
    if (errors.some((error) => error !== 0)) return false
    if ((await wire.ask(COMMAND.flush, 0, 0)) !== 0) return false
    this.#ledger.flushed(writes)
    this.batches++
    return true
  }

  async #write(wire: NbdWire, page: number, write: number): Promise<number> {
    const error = await wire.ask(COMMAND.write, page * PAGE_BYTES, PAGE_BYTES, pageContent(page, write))
    if (error === 0) this.#ledger.acknowledged(write)
    return error
  }
}
