import type { V86 } from 'v86'
import { systemClock } from '../../src/async/clock.ts'
import { errorCode, errorMessage, StorageError } from '../../src/errors/storage-error.ts'
import { encodeError } from '../../src/errors/wire.ts'
import type { Connection } from '../../src/protocol/connection.ts'
import type { Invitation } from '../../src/transports/pairing/invitation.ts'
import { ROOM_MS } from '../../src/transports/pairing/limits.ts'
import { type Arrival, arrive } from '../../src/v86.ts'
import { DIRTY, HOLDS_DATA, MOVED } from '../block-byte.ts'
import { formatBytes } from '../format.ts'
import { part, pictureInterval } from '../travel/stage.ts'
import { askToTakeOver, type TakeOverNotice } from '../travel/take-over-notice.ts'
import { connectMachines } from './connect-machines.ts'
import { MACHINE_VERSION, MEMORY_BYTES, makeMachine, makePlace, VGA_MEMORY_BYTES } from './machine.ts'
import { MachineView } from './machine-view.ts'
import { meetAgain, meetingAfter } from './meet-again.ts'
import { RunningMachine } from './running-machine.ts'
import { MACHINE, notArrived } from './sentences.ts'
import { watchDisk } from './watch-disk.ts'

const HTML = `
  <div class="panel" data-part="settings" role="group" aria-label="The machine">
    <button type="button" class="primary" data-part="begin">Get the machine</button>
  </div>`

/** Bytes of the largest disk that is taken: what a stranger says must not fill a phone. */
const LARGEST_DISK_BYTES = 2 ** 30

/** What arrives, for its map: which of its blocks are here. */
interface Arriving {
  readonly cache: { readonly numBlocks: number; isPresent(block: number): boolean }
}

/** A connection, and where its two sides meet when it is lost. */
interface Met {
  readonly connection: Connection
  readonly meeting: Invitation
}

/** The side that gets a machine. */
export class Visit {
  readonly #view = new MachineView()
  readonly #panel: HTMLElement
  readonly #invitation: Invitation
  /** By part: blocks that have been here, for telling those that must come again from those that have yet to come. */
  readonly #seen = { disk: new Uint8Array(0), memory: new Uint8Array(0) }

  constructor(section: HTMLElement, invitation: Invitation) {
    this.#invitation = invitation
    section.insertAdjacentHTML('beforeend', HTML)
    section.append(this.#view.element)
    this.#panel = part(section, 'settings')
    const begin = part(this.#panel, 'begin')
    begin.addEventListener('click', () => {
      begin.hidden = true
      void this.#get()
    })
    this.#view.say(MACHINE.idle)
    begin.focus({ preventScroll: true })
  }

  async #get(): Promise<void> {
    this.#view.say(MACHINE.looking)
    const over = new AbortController()
    let emulator: V86 | undefined
    try {
      const { connection, pullThePlug } = await connectMachines({
        invitation: this.#invitation,
        as: 'guest',
        signal: over.signal,
        onMet: () => this.#view.say(MACHINE.proving),
      })
      this.#view.plug.hidden = false
      this.#view.plug.addEventListener('click', pullThePlug)
      const meeting = await meetingAfter(this.#invitation, connection)
      this.#view.say(MACHINE.agreeing)
      const arrival = await arrive({
        connection,
        version: MACHINE_VERSION,
        place: async ({ size }) => (await makePlace(affordable(size, LARGEST_DISK_BYTES))).provider,
        machine: async ({ disk, memoryBytes, vgaMemoryBytes }) => {
          emulator = await makeMachine({
            disk,
            screen: this.#view.screen,
            memoryBytes: affordable(memoryBytes, MEMORY_BYTES),
            vgaMemoryBytes: affordable(vgaMemoryBytes, VGA_MEMORY_BYTES),
            isStarted: false,
          })
          watchDisk({ emulator, disk }, this.#view)
          return emulator
        },
      })
      this.#view.say(MACHINE.coming)
      const [disk, memory] = arrival.parts
      void this.#showAllTheTime({ disk: disk!, memory: memory! }, over.signal)
      const told = await this.#untilRunning(arrival, { connection, meeting })
      this.#view.plug.hidden = true
      if (told) void this.#answerAgain(arrival, { connection: told, meeting })
      const said = told ? MACHINE.arrived : MACHINE.takenOver
      new RunningMachine(this.#panel, this.#view, { emulator: emulator!, disk: arrival.disk }, said)
    } catch (error) {
      this.#view.plug.hidden = true
      this.#view.say(notArrived(encodeError(error)))
    } finally {
      over.abort()
    }
  }

  /** Resolves when the machine runs here, with the connection over which it was said whose it is; undefined: it was taken over. */
  async #untilRunning(arrival: Arrival, { connection, meeting }: Met): Promise<Connection | undefined> {
    const takenOver = new AbortController()
    const { signal } = takenOver
    let notice: TakeOverNotice | undefined
    for (let last = connection; ; ) {
      try {
        await arrival.running
        notice?.remove()
        return signal.aborted ? undefined : last
      } catch (error) {
        if (errorCode(error) !== 'IN_DOUBT') throw error
      }
      this.#view.plug.hidden = true
      this.#view.say(MACHINE.inDoubt)
      notice ??= askToTakeOver(this.#panel, 'machine', () => {
        arrival.takeOver().then(
          () => takenOver.abort(),
          (error: unknown) => notice?.complain(errorMessage(error)),
        )
      })
      const met = await meetAgain({ meeting, as: 'guest', signal }).catch(() => undefined) // Nobody is looked for any more.
      if (!met) continue
      last = met.connection
      await arrival.attach(last).catch(() => {}) // Lost once more: it is in doubt as before.
    }
  }

  /** A side whose connection was lost before it heard that the machine is here looks for this one; for as long as its room is kept. */
  async #answerAgain(arrival: Arrival, { connection, meeting }: Met): Promise<void> {
    if ((await connection.rw.ended) === undefined) return
    try {
      const signal = AbortSignal.timeout(ROOM_MS)
      await arrival.attach((await meetAgain({ meeting, as: 'guest', signal })).connection)
    } catch {
      // Nobody asks, or no more: the machine is here either way.
    }
  }

  async #showAllTheTime(parts: { disk: Arriving; memory: Arriving }, signal: AbortSignal): Promise<void> {
    for (;;) {
      for (const name of ['disk', 'memory'] as const) this.#show(name, parts[name].cache)
      if (signal.aborted) return
      await systemClock.sleep(pictureInterval(), signal).catch(() => {})
    }
  }

  #show(name: 'disk' | 'memory', cache: Arriving['cache']): void {
    if (this.#seen[name].length === 0) this.#seen[name] = new Uint8Array(cache.numBlocks)
    const seen = this.#seen[name]
    const blocks = new Uint8Array(cache.numBlocks)
    for (let block = 0; block < blocks.length; block++) {
      const isHere = cache.isPresent(block)
      if (isHere) seen[block] = 1
      blocks[block] = isHere ? MOVED : seen[block] ? DIRTY : HOLDS_DATA
    }
    this.#view.showBlocks(name, blocks)
  }
}

/** What a stranger asks for, unless it is too much. @throws StorageError `LIMIT_EXCEEDED` */
function affordable(bytes: number, most: number): number {
  if (bytes <= most) return bytes
  const sentence = `A machine that needs ${formatBytes(bytes)} in one piece is offered; this page gives up to ${formatBytes(most)}.`
  throw new StorageError('LIMIT_EXCEEDED', sentence, { context: { bytes } })
}
