import { Semaphore } from '../../async/semaphore.ts'
import type { StorageError } from '../../errors/storage-error.ts'
import { isToRun, type V86Machine } from './machine.ts'

/** What is known of a machine: whose turn it is to hold its guest, and why it never runs again. */
interface HeldMachine {
  readonly turn: Semaphore
  gone?: StorageError
}

const machines = new WeakMap<V86Machine, HeldMachine>()

/**
 * Keeps a guest stopped while something is done that needs it to stand still, one after another. Whoever calls `emulator.run` meanwhile waits for the
 * end of it, and `emulator.stop` keeps the guest stopped beyond it.
 */
export class GuestHold {
  /** Whether the guest is to run afterwards. */
  runs: boolean
  readonly #machine: V86Machine
  readonly #held: HeldMachine
  readonly #methods: Pick<V86Machine, 'run' | 'stop'>
  readonly #stopped: Promise<void>
  #end!: () => void

  /** Waits until nobody else holds the guest, and stops it. @throws StorageError why the machine never runs again */
  static async take(machine: V86Machine): Promise<GuestHold> {
    const held = machines.get(machine) ?? { turn: new Semaphore(1) }
    machines.set(machine, held)
    await held.turn.acquire()
    if (held.gone) {
      held.turn.release()
      throw held.gone
    }
    const hold = new GuestHold(machine, held)
    await hold.#stopped
    return hold
  }

  private constructor(machine: V86Machine, held: HeldMachine) {
    const { run, stop } = machine
    this.runs = isToRun(machine)
    this.#machine = machine
    this.#held = held
    this.#methods = { run, stop }
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve
    })
    // Before the emulator is told to stop: running it then would leave whoever waits for its stop waiting for ever.
    machine.run = async () => {
      this.runs = true
      await ended
      await machine.run()
    }
    machine.stop = () => {
      this.runs = false
      return this.#stopped
    }
    this.#stopped = stop.call(machine)
  }

  /** The guest runs again, if it is to. */
  async release(): Promise<void> {
    this.#giveBack()
    if (this.runs) await this.#machine.run()
  }

  /** It never runs here again: `run` rejects with this. */
  retire(gone: StorageError): void {
    this.#held.gone = gone
    this.#giveBack()
    this.#machine.run = () => Promise.reject(gone)
  }

  #giveBack(): void {
    Object.assign(this.#machine, this.#methods)
    this.#end()
    this.#held.turn.release()
  }
}
