import { errorCode } from '../../src/errors/storage-error.ts'
import { encodeError, type WireError } from '../../src/errors/wire.ts'
import type { Invitation } from '../../src/transports/pairing/invitation.ts'
import { type ManualSignalling, manualSignalling } from '../../src/transports/pairing/manual.ts'
import { formatCount, formatDuration, formatRate } from '../format.ts'
import type { StorageKind } from '../mover/settings.ts'
import { HandCarry } from './hand-carry.ts'
import type { Arrivals, FromTraveller, ToTraveller } from './messages.ts'
import { linkTransfer, type Pair, pair } from './pair.ts'
import { arriving, GOT, GUEST, guestFailure, pasteProblem, readSentence } from './sentences.ts'
import { part, pictureInterval, Stage, startTraveller, withdrawMissing } from './stage.ts'

const HTML = `
  <form class="panel" aria-label="Where it goes" data-part="settings">
    <div class="travel-field"><label for="travel-place">Keep it in</label><select id="travel-place" name="place" data-part="settings-place">
      <option value="memory" selected>Memory</option><option value="indexeddb">IndexedDB</option><option value="opfs">OPFS</option>
    </select></div>
    <button type="submit" class="primary" data-part="begin">Fetch the disk</button>
    <button type="button" class="primary" data-part="read" hidden>Read a block now</button>
    <p class="hint" role="status" data-part="reading"></p>
  </form>`

const FIGURES = {
  arrived: 'arriving per second',
  missing: 'blocks still missing',
  calls: 'reads that wait',
  read: 'last read took',
  share: 'arrived',
  writes: 'writes here',
}

type GuestState = 'idle' | 'meeting' | 'taking' | 'here' | 'over'

/** The side that gets the disk. */
export class Guest {
  readonly #panel: HTMLElement
  readonly #stage = new Stage(FIGURES)
  readonly #worker = startTraveller()
  readonly #handCarry: HandCarry
  readonly #invitation: Invitation
  #state: GuestState = 'idle'
  #meeting = new AbortController()
  #manual: ManualSignalling | undefined
  #pair: Pair | undefined
  #pulledHere = false
  #hadBegun = false

  constructor(section: HTMLElement, invitation: Invitation) {
    this.#invitation = invitation
    section.insertAdjacentHTML('beforeend', HTML)
    section.append(this.#stage.element)
    this.#panel = part(section, 'settings')
    withdrawMissing(this.#panel.querySelector('select[name=place]')!)
    this.#handCarry = new HandCarry(this.#panel, 'guest')
    this.#worker.onmessage = ({ data }: MessageEvent<FromTraveller>) => this.#receive(data)
    this.#worker.onerror = (event) => this.#fail(encodeError(new Error(event.message || 'The worker did not start.')))
    this.#panel.addEventListener('submit', (event) => {
      event.preventDefault()
      if (this.#state === 'idle') void this.#fetch()
    })
    part(section, 'read').addEventListener('click', () => this.#send({ type: 'read' }))
    this.#handCarry.onOpen = () => this.#carryByHand()
    this.#stage.plug.addEventListener('click', () => {
      this.#pulledHere = true
      this.#pair?.pullThePlug()
    })
    this.#stage.say(GUEST.idle)
    part(section, 'begin').focus({ preventScroll: true })
  }

  async #fetch(): Promise<void> {
    const { signal } = this.#meeting
    const manual = this.#manual
    this.#enter('meeting')
    this.#stage.say(GUEST.meeting)
    try {
      this.#pair = await pair({
        invitation: this.#invitation,
        as: 'guest',
        signal,
        worker: this.#worker,
        ...(manual ? { manual } : {}),
        onMet: () => this.#stage.say(GUEST.met),
      })
    } catch (error) {
      // The visitor turned to the other way.
      if (errorCode(error) !== 'ABORTED') this.#fail(encodeError(error))
      return
    }
    this.#enter('taking')
    this.#stage.say(GUEST.proving)
    const place = part<HTMLSelectElement>(this.#panel, 'settings-place').value as StorageKind
    this.#send(
      { type: 'receive', place, intervalMs: pictureInterval(), ...this.#pair.link },
      linkTransfer(this.#pair.link),
    )
  }

  /** Gives up the other ways: an offer is good for one connection only. */
  #carryByHand(): void {
    if ((this.#state !== 'idle' && this.#state !== 'meeting' && this.#state !== 'over') || this.#hadBegun) return
    this.#meeting.abort()
    this.#meeting = new AbortController()
    const manual = manualSignalling((text) => this.#handCarry.show(text))
    this.#manual = manual
    this.#handCarry.onPaste = (text) => {
      try {
        manual.paste(text)
      } catch (error) {
        this.#handCarry.complain(pasteProblem(error))
      }
    }
    void this.#fetch()
  }

  #receive(message: FromTraveller): void {
    if (message.type === 'proved') this.#stage.say(GUEST.proved)
    else if (message.type === 'announced') {
      this.#hadBegun = true
      this.#stage.say(arriving(message.size))
      part(this.#panel, 'read').hidden = false
    } else if (message.type === 'arriving') this.#showArriving(message.blocks, message.arrivals)
    else if (message.type === 'read') {
      this.#stage.put('read', formatDuration(message.ms))
      part(this.#panel, 'reading').textContent = readSentence(message.block, message.wasMissing, message.ms)
    } else if (message.type === 'got') {
      this.#enter('here')
      this.#stage.say(GOT)
      this.#stage.showRoot(message.root)
    } else if (message.type === 'failed') this.#fail(message.error)
  }

  #showArriving(blocks: Uint8Array, { arrivedRate, missingBlocks, waitingCalls, writes }: Arrivals): void {
    this.#stage.showBlocks(blocks)
    this.#stage.put('arrived', this.#state === 'here' ? '–' : formatRate(arrivedRate))
    this.#stage.put('missing', formatCount(missingBlocks))
    this.#stage.put('calls', formatCount(waitingCalls))
    this.#stage.put('share', `${Math.floor((1 - missingBlocks / blocks.length) * 100)} %`)
    this.#stage.put('writes', formatCount(writes))
  }

  #fail(error: WireError): void {
    this.#enter('over')
    this.#stage.put('arrived', '–')
    this.#stage.say(guestFailure(error, this.#pulledHere, this.#hadBegun))
  }

  #enter(state: GuestState): void {
    this.#state = state
    part<HTMLButtonElement>(this.#panel, 'begin').hidden = state !== 'idle'
    part<HTMLSelectElement>(this.#panel, 'settings-place').disabled = state !== 'idle'
    if (state === 'over') part(this.#panel, 'read').hidden = true
    if (state === 'taking' || state === 'here') this.#handCarry.hide()
    this.#stage.plug.hidden = state !== 'taking'
    if (state === 'meeting') this.#stage.scrollIntoView()
    if (state === 'taking') this.#stage.plug.focus({ preventScroll: true })
    if (state === 'here') part(this.#panel, 'read').focus({ preventScroll: true })
  }

  #send(message: ToTraveller, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer)
  }
}
