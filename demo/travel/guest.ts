import { systemClock } from '../../src/async/clock.ts'
import { errorCode, StorageError } from '../../src/errors/storage-error.ts'
import { encodeError, type WireError } from '../../src/errors/wire.ts'
import type { Invitation } from '../../src/transports/pairing/invitation.ts'
import { type ManualSignalling, manualSignalling } from '../../src/transports/pairing/manual.ts'
import { formatCount, formatDuration, formatRate } from '../format.ts'
import type { Statement } from '../mover/sentences.ts'
import type { StorageKind } from '../mover/settings.ts'
import { HandCarry } from './hand-carry.ts'
import type { Arrivals, FromTraveller, ToTraveller } from './messages.ts'
import { linkTransfer, type Pair, pair } from './pair.ts'
import { arriving, GOT, GUEST, guestBreak, guestFailure, isLoss, pasteProblem, readSentence } from './sentences.ts'
import { part, pictureInterval, Stage, startTraveller, withdrawMissing } from './stage.ts'
import type { Finding } from './travel-disks.ts'
import { meetingOf, noteJourney, type TravelRecord } from './travel-record.ts'

const HTML = `
  <form class="panel" aria-label="Where it goes" data-part="settings">
    <div class="travel-field"><label for="travel-place">Keep it in</label><select id="travel-place" name="place" data-part="settings-place">
      <option value="memory" selected>Memory</option><option value="indexeddb">IndexedDB</option><option value="opfs">OPFS</option>
    </select></div>
    <button type="submit" class="primary" data-part="begin">Fetch the disk</button>
    <button type="button" class="primary" data-part="read" hidden>Read a block now</button>
    <button type="button" class="quiet" data-part="rest" hidden>Stop looking</button>
    <button type="button" class="primary" data-part="resume" hidden>Resume</button>
    <button type="button" class="quiet" data-part="discard" hidden>Discard</button>
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

/** `again`: the connection is lost, and the other side looked for. `over`: not any more. */
type GuestState = 'idle' | 'meeting' | 'taking' | 'again' | 'here' | 'over' | 'gone'

/** A disk of which an earlier page had taken a part, or all. */
export interface EarlierArrival {
  readonly record: TravelRecord
  readonly finding: Finding
  readonly choice: 'resume' | 'use' | 'takeOver'
}

/** Milliseconds between two looks for the other side: at first it may be a moment late, later a rendezvous counts how often it is asked. */
const LOOK_MS = [500, 1000, 2000, 3000, 5000]

/** Milliseconds between a loss and the first look. */
const BREATH_MS = 1000

/** Looks for the other side: some ten minutes, as long as it waits at a link. */
const LOOKS = 120

/** After all is here, only the last word is missing, and the other side may ask for it by a link as well. */
const LAST_LOOKS = 12

/** Why the other side is not found now, and may be later. */
const LATER: ReadonlySet<string> = new Set(['PEER_LOST', 'BUSY', 'NOT_FOUND', 'OPEN_FAILED', 'LIMIT_EXCEEDED'])

/** The side that gets the disk. */
export class Guest {
  readonly #panel: HTMLElement
  readonly #stage = new Stage(FIGURES)
  readonly #worker = startTraveller()
  readonly #handCarry: HandCarry
  readonly #earlier: EarlierArrival | undefined
  /** How to meet the other side; after the first meeting what the two have made of it. */
  #invitation: Invitation | undefined
  #meetingText: string | undefined
  #state: GuestState = 'idle'
  #meeting = new AbortController()
  #manual: ManualSignalling | undefined
  #pair: Pair | undefined
  #pulledHere = false
  #hadBegun = false
  #share: number

  constructor(section: HTMLElement, invitation: Invitation | undefined, earlier?: EarlierArrival) {
    this.#invitation = invitation
    this.#earlier = earlier
    this.#share = earlier?.finding.share ?? 0
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
    part(section, 'rest').addEventListener('click', () => this.#meeting.abort())
    part(section, 'resume').addEventListener('click', () => void this.#look(LOOKS))
    part(section, 'discard').addEventListener('click', () => this.#send({ type: 'clear' }))
    this.#handCarry.onOpen = () => this.#carryByHand()
    this.#stage.plug.addEventListener('click', () => {
      this.#pulledHere = true
      this.#pair?.pullThePlug()
    })
    this.#stage.say(GUEST.idle)
    if (earlier) this.#goOn(earlier)
    else part(section, 'begin').focus({ preventScroll: true })
  }

  #goOn({ record, finding, choice }: EarlierArrival): void {
    const { place } = record.settings
    part<HTMLSelectElement>(this.#panel, 'settings-place').value = place
    this.#hadBegun = true
    if (choice === 'resume') {
      void this.#look(LOOKS)
      return
    }
    this.#enter('meeting')
    this.#stage.say(GUEST.using)
    this.#send({
      type: 'use',
      place,
      geometry: finding,
      takeOver: choice === 'takeOver',
      intervalMs: pictureInterval(),
    })
  }

  async #fetch(): Promise<void> {
    this.#enter('meeting')
    this.#stage.say(GUEST.meeting)
    try {
      await this.#connect(this.#manual)
    } catch (error) {
      // The visitor turned to the other way.
      if (errorCode(error) !== 'ABORTED') this.#fail(encodeError(error))
    }
  }

  /** Looks for the other side until it is there, the visitor has enough of it, or it refuses. */
  async #look(times: number, said: Statement = GUEST.again): Promise<void> {
    this.#meeting = new AbortController()
    const { signal } = this.#meeting
    const isQuiet = this.#state === 'here'
    if (!isQuiet) {
      this.#enter('again')
      this.#stage.say(said)
    }
    this.#invitation ??= this.#earlier && (await meetingOf(this.#earlier.record))
    // A moment to read what happened, and for the other side to notice it too.
    if (said !== GUEST.again) await systemClock.sleep(BREATH_MS, signal).catch(() => {})
    let failure: unknown = new StorageError('NOT_FOUND', 'It is not known where the other side was: ask it for a link.')
    for (let look = 0; look < times && this.#invitation && !signal.aborted; look++) {
      try {
        return await this.#connect()
      } catch (error) {
        failure = error
        if (!LATER.has(errorCode(error) ?? '')) break
        await systemClock.sleep(LOOK_MS[Math.min(look, LOOK_MS.length - 1)]!, signal).catch(() => {})
        if (signal.aborted) break
      }
    }
    if (isQuiet) return
    if (!signal.aborted) return this.#fail(encodeError(failure))
    this.#enter('over')
    this.#stage.say(GUEST.stopped)
  }

  async #connect(manual?: ManualSignalling): Promise<void> {
    this.#pulledHere = false
    this.#pair = await pair({
      invitation: this.#invitation!,
      as: 'guest',
      signal: this.#meeting.signal,
      worker: this.#worker,
      ...(manual ? { manual } : {}),
      onMet: () => this.#state !== 'here' && this.#stage.say(GUEST.met),
    })
    if (this.#state !== 'here') {
      this.#enter('taking')
      this.#stage.say(GUEST.proving)
    }
    const place = this.#place
    const { finding } = this.#earlier ?? {}
    const geometry = finding ? { geometry: { size: finding.size, blockSize: finding.blockSize } } : {}
    this.#send(
      { type: 'receive', place, ...geometry, intervalMs: pictureInterval(), ...this.#pair.link },
      linkTransfer(this.#pair.link),
    )
  }

  get #place(): StorageKind {
    return part<HTMLSelectElement>(this.#panel, 'settings-place').value as StorageKind
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
    if (message.type === 'proved') void this.#prove(message.again)
    else if (message.type === 'announced') {
      this.#hadBegun = true
      this.#note(message.size)
      part(this.#panel, 'read').hidden = false
      if (this.#state === 'taking') this.#stage.say(arriving(message.size))
    } else if (message.type === 'arriving') this.#showArriving(message.blocks, message.arrivals)
    else if (message.type === 'read') {
      this.#stage.put('read', formatDuration(message.ms))
      part(this.#panel, 'reading').textContent = readSentence(message.block, message.wasMissing, message.ms)
    } else if (message.type === 'got') {
      this.#enter('here')
      this.#stage.say(this.#earlier?.choice === 'takeOver' ? GUEST.takenOver : GOT)
      if (message.root !== '') this.#stage.showRoot(message.root)
    } else if (message.type === 'parted') this.#part(message)
    else if (message.type === 'cleared') {
      noteJourney('arrival', undefined)
      this.#enter('gone')
      this.#stage.say(GUEST.discarded)
    } else if (message.type === 'failed') {
      if (this.#hadBegun && this.#state === 'taking' && isLoss(message.error)) this.#lose()
      else if (this.#state !== 'here') this.#fail(message.error)
    }
  }

  /** The other side has the secret; from now on the two have another one, for meeting again. */
  async #prove(meeting: string): Promise<void> {
    if (this.#state !== 'here') this.#stage.say(GUEST.proved)
    this.#meetingText = meeting
    this.#invitation = await meetingOf({ meeting })
    if (this.#hadBegun) this.#note(0)
  }

  #note(size: number): void {
    const settings = { place: this.#place, size, writeRate: 0, linkRate: 0 }
    const meeting = this.#meetingText ?? this.#earlier?.record.meeting
    noteJourney('arrival', { settings, isFilled: true, ...(meeting === undefined ? {} : { meeting }) })
  }

  #part({ error, isOwner, share }: Extract<FromTraveller, { type: 'parted' }>): void {
    this.#share = share
    // In order, with everything here: the other side has heard the last word.
    if (isOwner && !error) return
    if (isOwner) void this.#look(LAST_LOOKS)
    else if (!error || isLoss(error)) this.#lose()
    else this.#fail(error)
  }

  #lose(): void {
    this.#stage.put('arrived', '–')
    void this.#look(LOOKS, guestBreak({ pulledHere: this.#pulledHere, share: this.#share }))
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
    this.#stage.say(guestFailure(error, this.#hadBegun))
  }

  #enter(state: GuestState): void {
    this.#state = state
    part<HTMLButtonElement>(this.#panel, 'begin').hidden = state !== 'idle'
    part<HTMLSelectElement>(this.#panel, 'settings-place').disabled = state !== 'idle'
    if (state === 'over' || state === 'gone') part(this.#panel, 'read').hidden = true
    const isKept = state === 'over' && this.#hadBegun
    part(this.#panel, 'rest').hidden = state !== 'again'
    part(this.#panel, 'resume').hidden = !isKept
    part(this.#panel, 'discard').hidden = !isKept
    if (state !== 'idle' && state !== 'meeting' && !(state === 'over' && !this.#hadBegun)) this.#handCarry.hide()
    this.#stage.plug.hidden = state !== 'taking'
    if (state === 'meeting') this.#stage.scrollIntoView()
    if (state === 'taking') this.#stage.plug.focus({ preventScroll: true })
    if (state === 'again') part(this.#panel, 'rest').focus({ preventScroll: true })
    if (isKept) part(this.#panel, 'resume').focus({ preventScroll: true })
    if (state === 'here') part(this.#panel, 'read').focus({ preventScroll: true })
  }

  #send(message: ToTraveller, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer)
  }
}
