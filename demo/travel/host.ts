import { systemClock } from '../../src/async/clock.ts'
import { errorCode } from '../../src/errors/storage-error.ts'
import { encodeError, type WireError } from '../../src/errors/wire.ts'
import { createInvitation, type Invitation } from '../../src/transports/pairing/invitation.ts'
import { manualSignalling } from '../../src/transports/pairing/manual.ts'
import { countBlocks } from '../block-byte.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from '../format.ts'
import type { Figures } from '../mover/messages.ts'
import type { Statement } from '../mover/sentences.ts'
import type { StorageKind } from '../mover/settings.ts'
import { HandCarry } from './hand-carry.ts'
import { LinkBox } from './link-box.ts'
import type { FromTraveller, ToTraveller, TravelSettings } from './messages.ts'
import { linkTransfer, type Pair, pair } from './pair.ts'
import { showInvitation } from './section-link.ts'
import { gaveAway, HOST, hostBreak, hostFailure, isLoss, pasteProblem } from './sentences.ts'
import { part, pictureInterval, Stage, startTraveller, withdrawMissing } from './stage.ts'
import type { Finding } from './travel-disks.ts'
import { meetingOf, noteJourney, type TravelRecord } from './travel-record.ts'

const HTML = `
  <form class="panel" aria-label="What is sent" data-part="settings">
    <fieldset class="pair" data-part="choices">
      <legend>Disk</legend>
      <div><label for="travel-size">Size</label><select id="travel-size" name="size">
        <option value="16777216">16 MiB</option><option value="67108864" selected>64 MiB</option><option value="268435456">256 MiB</option>
      </select></div>
      <div><label for="travel-place">Kept in</label><select id="travel-place" name="place">
        <option value="memory" selected>Memory</option><option value="indexeddb">IndexedDB</option><option value="opfs">OPFS</option>
      </select></div>
      <div><label for="travel-write">Program writes</label><select id="travel-write" name="writeRate">
        <option value="0">nothing</option><option value="65536">64 KiB/s</option><option value="262144" selected>256 KiB/s</option><option value="1048576">1 MiB/s</option><option value="4194304">4 MiB/s</option>
      </select></div>
      <div><label for="travel-speed">Speed at most</label><select id="travel-speed" name="linkRate">
        <option value="4194304">4 MiB/s</option><option value="16777216" selected>16 MiB/s</option><option value="33554432">32 MiB/s</option><option value="0">no limit</option>
      </select></div>
    </fieldset>
    <button type="submit" class="primary" data-part="begin">Fill a disk and show its link</button>
    <div class="travel-link" data-part="invitation" hidden></div>
    <button type="button" class="quiet" data-part="withdraw" hidden>Withdraw the link</button>
  </form>`

/** Why a way that two know was not gone to its end, and is worth another try. */
const TRANSIENT: ReadonlySet<string> = new Set(['PEER_LOST', 'BUSY', 'NOT_FOUND', 'OPEN_FAILED'])

const FIGURES = {
  moved: 'sent per second',
  dirty: 'dirty blocks',
  round: 'round',
  left: 'time left',
  carried: 'carried over',
  writes: 'writes so far',
}

/** A disk that an earlier page had. */
export interface EarlierDisk {
  readonly record: TravelRecord
  readonly finding: Finding | undefined
  /** Although it was given away. */
  readonly takeBack: boolean
}

/** Bytes of a block of a disk that never was on its way. */
const BLOCK_SIZE = 65536

/** Milliseconds between two notes of how much has crossed. */
const NOTE_MS = 500

/** Milliseconds until the way to the other side is tried anew, when it was left half way. */
const ONCE_MORE_MS = 1000

/** `kept`: nobody got the disk, and it can be offered again. `gone`: somebody did. */
type HostState = 'idle' | 'preparing' | 'waiting' | 'moving' | 'kept' | 'gone'

/** The side that has the disk. */
export class Host {
  readonly #panel: HTMLFormElement
  readonly #stage = new Stage(FIGURES)
  readonly #worker = startTraveller()
  readonly #linkBox: LinkBox
  readonly #handCarry: HandCarry
  #state: HostState = 'idle'
  #waiting = new AbortController()
  #pair: Pair | undefined
  #pulledHere = false
  #settings: TravelSettings | undefined
  /** How to meet the other side again that was here before. */
  #again: Invitation | undefined
  #isReleased = false
  #isBack = false
  #record: TravelRecord | undefined
  #notedAt = 0

  constructor(section: HTMLElement, earlier?: EarlierDisk) {
    section.insertAdjacentHTML('beforeend', HTML)
    section.append(this.#stage.element)
    this.#panel = part(section, 'settings')
    withdrawMissing(this.#panel.querySelector('select[name=place]')!)
    this.#linkBox = new LinkBox(part(section, 'invitation'))
    this.#handCarry = new HandCarry(part(section, 'invitation'), 'host')
    this.#worker.onmessage = ({ data }: MessageEvent<FromTraveller>) => this.#receive(data)
    this.#worker.onerror = (event) => this.#fail(encodeError(new Error(event.message || 'The worker did not start.')))
    this.#panel.addEventListener('submit', (event) => {
      event.preventDefault()
      if (this.#state === 'idle' || this.#state === 'gone') this.#prepare()
      else if (this.#state === 'kept') void this.#invite()
    })
    part(section, 'withdraw').addEventListener('click', () => this.#waiting.abort('withdrawn'))
    this.#stage.plug.addEventListener('click', () => {
      this.#pulledHere = true
      this.#pair?.pullThePlug()
    })
    this.#stage.say(HOST.idle)
    if (earlier) void this.#reopen(earlier)
    else part(section, 'begin').focus({ preventScroll: true })
  }

  async #reopen({ record, finding, takeBack }: EarlierDisk): Promise<void> {
    const { settings } = record
    this.#settings = settings
    for (const name of ['size', 'place', 'writeRate', 'linkRate'] as const) {
      this.#panel.querySelector<HTMLSelectElement>(`[name=${name}]`)!.value = String(settings[name])
    }
    this.#enter('preparing')
    this.#stage.say(HOST.reopening)
    this.#again = takeBack ? undefined : await meetingOf(record)
    const geometry = finding ?? { size: settings.size, blockSize: BLOCK_SIZE }
    this.#send({ type: 'reopen', settings, geometry, takeBack, intervalMs: pictureInterval() })
  }

  #prepare(): void {
    this.#record = undefined
    const form = new FormData(this.#panel)
    const number = (name: string) => Number(form.get(name))
    this.#enter('preparing')
    this.#stage.hideRoot()
    this.#stage.say(HOST.preparing)
    this.#again = undefined
    this.#isReleased = false
    const settings = {
      place: String(form.get('place')) as StorageKind,
      size: number('size'),
      writeRate: number('writeRate'),
      linkRate: number('linkRate'),
    }
    this.#settings = settings
    noteJourney('departure', { settings, isFilled: false })
    this.#send({ type: 'prepare', settings, intervalMs: pictureInterval() })
  }

  /** Shows a link, waits for somebody to come by it, and sends the disk there. One who was here before knows the way. */
  async #invite(said?: Statement): Promise<void> {
    const isAgain = this.#again !== undefined
    this.#pulledHere = false
    this.#waiting = new AbortController()
    const { signal } = this.#waiting
    this.#enter('waiting')
    this.#stage.say(said ?? (this.#isReleased ? HOST.released : isAgain ? HOST.again : HOST.waiting))
    try {
      const invitation = this.#again ?? (await createInvitation())
      const manual = manualSignalling((text) => this.#handCarry.show(text))
      this.#handCarry.onPaste = (text) => {
        try {
          manual.paste(text)
        } catch (error) {
          this.#handCarry.complain(pasteProblem(error))
        }
      }
      showInvitation(this.#linkBox, 'ferry', invitation, [])
      this.#pair = await pair({
        invitation,
        as: 'host',
        manual,
        signal,
        worker: this.#worker,
        onWaiting: (addresses) => showInvitation(this.#linkBox, 'ferry', invitation, addresses),
        onAlone: (why) => (why === 'expired' ? this.#waiting.abort('expired') : this.#linkBox.alone()),
        onMet: () => this.#stage.say(HOST.met),
      })
    } catch (error) {
      if (errorCode(error) === 'ABORTED') {
        // Nobody can come by a link that was withdrawn, also not who was here before; by the next one anybody can.
        if (signal.reason !== 'expired') this.#again = undefined
        this.#enter('kept')
        const why = signal.reason === 'expired' ? HOST.expired : HOST.withdrawn
        this.#stage.say(this.#isReleased ? HOST.stillReleased : why)
      } else if (isAgain && TRANSIENT.has(errorCode(error) ?? '')) {
        await systemClock.sleep(ONCE_MORE_MS)
        void this.#invite(said)
      } else this.#fail(encodeError(error))
      return
    }
    this.#isBack = isAgain
    this.#enter('moving')
    this.#stage.say(HOST.proving)
    this.#send({ type: 'send', ...this.#pair.link }, linkTransfer(this.#pair.link))
  }

  #receive(message: FromTraveller): void {
    if (message.type === 'prepared') {
      this.#note()
      void this.#invite()
    } else if (message.type === 'released') {
      this.#isReleased = true
      void this.#invite()
    } else if (message.type === 'proved') void this.#prove(message.again)
    else if (message.type === 'phase' && !this.#isReleased && !(this.#isBack && message.phase === 'full'))
      this.#stage.say(HOST[message.phase])
    else if (message.type === 'sending') this.#showSending(message.blocks, message.figures)
    else if (message.type === 'failed') this.#part(message)
    else if (message.type === 'gave') {
      this.#enter('gone')
      this.#stage.say(gaveAway(message.journey))
      this.#stage.showRoot(message.journey.root)
      this.#stage.put('carried', `${(message.journey.bytesMoved / message.journey.size).toFixed(2)} ×`)
      this.#stage.put('dirty', '0')
      this.#stage.put('moved', '–')
      this.#stage.put('left', '–')
    }
  }

  /** The other side has the secret; from now on the two have another one, for meeting again. */
  async #prove(meeting: string): Promise<void> {
    this.#stage.say(this.#isReleased ? HOST.released : this.#isBack ? HOST.resumed : HOST.full)
    this.#again = await meetingOf({ meeting })
    this.#note(meeting)
  }

  #note(meeting?: string): void {
    this.#record = { settings: this.#settings!, isFilled: true, ...(meeting === undefined ? {} : { meeting }) }
    noteJourney('departure', this.#record)
  }

  /** Notes how much has crossed, now and then. */
  #noteShare(blocks: Uint8Array): void {
    if (!this.#record || systemClock.now() - this.#notedAt < NOTE_MS) return
    this.#notedAt = systemClock.now()
    this.#record = { ...this.#record, share: countBlocks(blocks).moved / blocks.length }
    noteJourney('departure', this.#record)
  }

  /** A connection that was only lost is waited for anew; nothing else can be done about it, and nothing is lost by it. */
  #part({ error, share = 0, isReleased = false }: Extract<FromTraveller, { type: 'failed' }>): void {
    this.#isReleased = isReleased
    this.#stage.put('moved', '–')
    this.#stage.put('left', '–')
    if (this.#state !== 'moving' || !this.#again || !isLoss(error)) this.#fail(error)
    else void this.#invite(isReleased ? HOST.released : hostBreak({ pulledHere: this.#pulledHere, share }))
  }

  #showSending(blocks: Uint8Array, figures: Figures): void {
    this.#stage.showBlocks(blocks)
    this.#stage.put('writes', formatCount(figures.writes))
    if (this.#state !== 'moving') return
    this.#noteShare(blocks)
    this.#stage.put('moved', formatRate(figures.movedRate))
    this.#stage.put('dirty', formatCount(figures.dirtyBlocks))
    this.#stage.put('round', formatCount(figures.round))
    this.#stage.put('left', figures.timeLeftMs === undefined ? '–' : formatDuration(figures.timeLeftMs))
    this.#stage.put('carried', formatBytes(figures.bytesMoved))
  }

  #fail(error: WireError): void {
    const wasPrepared = this.#state !== 'preparing'
    // Whoever answered was not the one who was here before.
    this.#again = undefined
    this.#stage.put('moved', '–')
    this.#stage.put('left', '–')
    this.#enter(wasPrepared ? 'kept' : 'idle')
    this.#stage.say(
      wasPrepared
        ? hostFailure(error, this.#isReleased)
        : { tone: 'failed', sentence: error.message, detail: error.code ?? '' },
    )
  }

  #enter(state: HostState): void {
    this.#state = state
    const begin = part<HTMLButtonElement>(this.#panel, 'begin')
    const isOver = state === 'idle' || state === 'kept' || state === 'gone'
    begin.hidden = !isOver
    begin.textContent =
      state === 'kept' ? 'Show a new link' : state === 'gone' ? 'Offer another disk' : 'Fill a disk and show its link'
    part<HTMLFieldSetElement>(this.#panel, 'choices').disabled = state !== 'idle' && state !== 'gone'
    part(this.#panel, 'invitation').hidden = state !== 'waiting'
    part(this.#panel, 'withdraw').hidden = state !== 'waiting'
    this.#stage.plug.hidden = state !== 'moving'
    if (state === 'waiting') this.#handCarry.reset()
    if (state === 'moving') {
      this.#stage.plug.focus({ preventScroll: true })
      this.#stage.scrollIntoView()
    }
    if (isOver && state !== 'idle') begin.focus({ preventScroll: true })
  }

  #send(message: ToTraveller, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer)
  }
}
