import type { V86 } from 'v86'
import { errorCode } from '../../src/errors/storage-error.ts'
import { encodeError } from '../../src/errors/wire.ts'
import { createInvitation, type Invitation } from '../../src/transports/pairing/invitation.ts'
import { type Teleported, teleport, type V86Disk } from '../../src/v86.ts'
import { HOLDS_DATA } from '../block-byte.ts'
import { formatBytes } from '../format.ts'
import type { Statement } from '../mover/sentences.ts'
import { LinkBox } from '../travel/link-box.ts'
import { showInvitation } from '../travel/section-link.ts'
import { part } from '../travel/stage.ts'
import { connectMachines } from './connect-machines.ts'
import { MACHINE_VERSION } from './machine.ts'
import type { MachineView, MappedPart } from './machine-view.ts'
import { meetAgain, meetingAfter } from './meet-again.ts'
import { leftFor, MACHINE, stayed } from './sentences.ts'

const HTML = `
  <button type="button" class="primary" data-part="move">Move to another device</button>
  <div class="travel-link" data-part="invitation" hidden></div>
  <button type="button" class="quiet" data-part="withdraw" hidden>Withdraw the link</button>
  <p class="hint" data-part="moved" hidden></p>
  <button type="button" class="quiet" data-part="again" hidden>Start another one</button>`

/** A machine that runs in this tab. */
export interface Machine {
  readonly emulator: V86
  readonly disk: V86Disk
}

/** A machine that can leave. Once it has left it never runs here again. */
export class RunningMachine {
  readonly #machine: Machine
  readonly #view: MachineView
  readonly #panel: HTMLElement
  readonly #linkBox: LinkBox
  #waiting = new AbortController()
  #pullThePlug: () => void = () => {}

  constructor(panel: HTMLElement, view: MachineView, machine: Machine, said: Statement) {
    this.#machine = machine
    this.#view = view
    this.#panel = panel
    panel.innerHTML = HTML
    this.#linkBox = new LinkBox(part(panel, 'invitation'))
    part(panel, 'move').addEventListener('click', () => void this.#move())
    part(panel, 'withdraw').addEventListener('click', () => this.#waiting.abort('withdrawn'))
    part(panel, 'again').addEventListener('click', () => location.reload())
    view.plug.addEventListener('click', () => this.#pullThePlug())
    view.typeTo(machine.emulator)
    view.showScreen('on')
    view.say(said)
    this.#enter('here')
  }

  async #move(): Promise<void> {
    const { emulator, disk } = this.#machine
    this.#waiting = new AbortController()
    const { signal } = this.#waiting
    this.#enter('waiting')
    this.#view.say(MACHINE.waiting)
    try {
      const invitation = await createInvitation()
      showInvitation(this.#linkBox, 'linux', invitation, [])
      const { connection, pullThePlug } = await connectMachines({
        invitation,
        as: 'host',
        signal,
        onWaiting: (addresses) => showInvitation(this.#linkBox, 'linux', invitation, addresses),
        onAlone: (why) => (why === 'expired' ? this.#waiting.abort('expired') : this.#linkBox.alone()),
        onMet: () => this.#view.say(MACHINE.proving),
      })
      this.#pullThePlug = pullThePlug
      const meeting = await meetingAfter(invitation, connection)
      this.#enter('moving')
      const moved = { disk: 0, memory: 0 }
      const outcome = await teleport({
        emulator,
        disk,
        connection,
        version: MACHINE_VERSION,
        onPhase: (phase) => this.#view.say(MACHINE[phase === 'released' ? 'stopped' : phase]),
        onProgress: ({ part: name, progress, blocks }) => {
          if (name === 'state') return
          moved[name] = progress.bytesMoved
          part(this.#panel, 'moved').textContent = `${formatBytes(moved.disk + moved.memory)} sent so far`
          const states = new Uint8Array(progress.totalBlocks)
          blocks.blockStates(states)
          this.#view.showBlocks(
            name satisfies MappedPart,
            states.map((state) => state | HOLDS_DATA),
          )
        },
      })
      void connection.close()
      this.#view.showScreen('off')
      if (!outcome.acknowledged) await this.#tellAgain(outcome, meeting)
      this.#view.say(leftFor(outcome))
      this.#enter('gone')
    } catch (error) {
      const why: unknown = errorCode(error) === 'ABORTED' && signal.aborted ? signal.reason : undefined
      if (why === 'withdrawn' || why === 'expired') this.#view.say(MACHINE[why])
      else this.#view.say(stayed(encodeError(error), emulator.is_running()))
      this.#enter('here')
    }
  }

  /** Until the other side has said that it has the machine it may wait for the word of this one. */
  async #tellAgain(outcome: Teleported, meeting: Invitation): Promise<void> {
    this.#view.say(MACHINE.unheard)
    this.#enter('telling')
    const { signal } = new AbortController()
    for (;;) {
      const { connection } = await meetAgain({ meeting, as: 'host', signal })
      try {
        return await outcome.tellAgain(connection)
      } catch {
        // Lost once more.
      } finally {
        void connection.close()
      }
    }
  }

  #enter(state: 'here' | 'waiting' | 'moving' | 'telling' | 'gone'): void {
    part(this.#panel, 'move').hidden = state !== 'here'
    part(this.#panel, 'invitation').hidden = state !== 'waiting'
    part(this.#panel, 'withdraw').hidden = state !== 'waiting'
    part(this.#panel, 'moved').hidden = state !== 'moving'
    part(this.#panel, 'again').hidden = state !== 'gone'
    this.#view.plug.hidden = state !== 'moving'
  }
}
