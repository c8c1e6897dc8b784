import { errorCode } from '../../src/errors/storage-error.ts'
import { encodeError } from '../../src/errors/wire.ts'
import { createInvitation, type Invitation } from '../../src/transports/pairing/invitation.ts'
import type { Party } from '../../src/transports/pairing/signalling.ts'
import { MOVED } from '../block-byte.ts'
import { formatCount, formatDuration } from '../format.ts'
import { LinkBox } from '../travel/link-box.ts'
import { linkTransfer, type MeetingOptions, type Pair, pair } from '../travel/pair.ts'
import { showInvitation } from '../travel/section-link.ts'
import { part, pictureInterval, Stage } from '../travel/stage.ts'
import { askToTakeOver, type TakeOverNotice } from '../travel/take-over-notice.ts'
import { meetAgain } from './meet-again.ts'
import type { DatabasePlace, FromDatabase, ToDatabase } from './messages.ts'
import { checked, DATABASE, databaseFailure, left, PLACES, swapped, swapping, using } from './sentences.ts'

const HTML = `
  <div class="panel" data-part="settings" role="group" aria-label="The database">
    <button type="button" class="primary" data-part="come" hidden>Get the database</button>
    <button type="button" class="primary" data-part="swap" hidden></button>
    <button type="button" data-part="leave" hidden>Move to another tab or device</button>
    <button type="button" class="quiet" data-part="check" hidden>Check it</button>
    <div class="travel-link" data-part="invitation" hidden></div>
    <button type="button" class="quiet" data-part="withdraw" hidden>Withdraw the link</button>
    <div data-part="doubt"></div>
    <button type="button" class="quiet" data-part="again" hidden>Make another one</button>
  </div>`

const FIGURES = {
  rows: 'rows inserted',
  perSecond: 'inserts per second',
  longest: 'longest insert of late',
  place: 'kept in',
}

/** `parted`: what there is of the database here is kept, and the other side looked for. */
type State = 'starting' | 'offered' | 'using' | 'busy' | 'waiting' | 'parted' | 'gone'

/** Looks for the other side: some ten minutes, as long as it waits at a link. */
const LOOKS = 600

/** Where only the other side misses a word. */
const LAST_LOOKS = 60

/** A database that is in use in this tab, or about to be. */
export class DatabasePanel {
  readonly #panel: HTMLElement
  readonly #stage = new Stage(FIGURES)
  readonly #linkBox: LinkBox
  readonly #worker = new Worker(new URL('./database.worker.ts', import.meta.url), { type: 'module', name: 'database' })
  #waiting = new AbortController()
  #pair: Pair | undefined
  #state: State = 'starting'
  #place: DatabasePlace = 'indexeddb'
  /** Leads to the side that was met last. */
  #again = ''
  /** Asks whether a database in doubt shall be used here. */
  #notice: TakeOverNotice | undefined
  /** Which end of the last link this is: the one it leads to, or the one it came from. */
  #as: Party | undefined
  #blocks = 0

  constructor(section: HTMLElement) {
    section.insertAdjacentHTML('beforeend', HTML)
    section.append(this.#stage.element)
    this.#panel = part(section, 'settings')
    this.#linkBox = new LinkBox(part(this.#panel, 'invitation'))
    this.#worker.onmessage = ({ data }: MessageEvent<FromDatabase>) => this.#receive(data)
    this.#worker.onerror = (event) => {
      this.#enter('gone')
      this.#stage.say(databaseFailure(encodeError(new Error(event.message || 'The worker did not start.')), false))
    }
    part(this.#panel, 'swap').addEventListener('click', () => this.#swap())
    part(this.#panel, 'check').addEventListener('click', () => {
      this.#stage.say(DATABASE.checking)
      this.#send({ type: 'check' })
    })
    part(this.#panel, 'leave').addEventListener('click', () => void this.#leave())
    part(this.#panel, 'withdraw').addEventListener('click', () => this.#waiting.abort('withdrawn'))
    part(this.#panel, 'again').addEventListener('click', () => location.reload())
    this.#stage.plug.addEventListener('click', () => this.#pair?.pullThePlug())
  }

  /** Makes a database in IndexedDB, from where most want to come away. */
  start(): void {
    this.#enter('starting')
    this.#stage.say(DATABASE.starting)
    this.#send({ type: 'start', place: 'indexeddb', intervalMs: pictureInterval() })
  }

  /** Waits for the visitor to take the database that a link leads to. */
  offer(invitation: Invitation): void {
    const come = part(this.#panel, 'come')
    come.addEventListener('click', () => void this.#come(invitation))
    this.#enter('offered')
    this.#stage.say(DATABASE.idle)
    come.focus({ preventScroll: true })
  }

  #swap(): void {
    const to = this.#elsewhere
    this.#enter('busy')
    this.#stage.say(swapping(to))
    this.#send({ type: 'swap', to })
  }

  async #leave(): Promise<void> {
    this.#waiting = new AbortController()
    const { signal } = this.#waiting
    this.#enter('waiting')
    this.#stage.say(DATABASE.waiting)
    const invitation = await createInvitation()
    showInvitation(this.#linkBox, 'database', invitation, [])
    const pair = await this.#connect({
      invitation,
      as: 'host',
      signal,
      onWaiting: (addresses) => showInvitation(this.#linkBox, 'database', invitation, addresses),
      onAlone: (why) => (why === 'expired' ? this.#waiting.abort('expired') : this.#linkBox.alone()),
    })
    if (pair) this.#send({ type: 'leave', ...pair.link }, linkTransfer(pair.link))
  }

  async #come(invitation: Invitation): Promise<void> {
    this.#enter('starting')
    this.#stage.say(DATABASE.looking)
    const pair = await this.#connect({ invitation, as: 'guest', signal: this.#waiting.signal })
    if (!pair) return
    this.#sendCome(pair)
  }

  async #connect(options: MeetingOptions): Promise<Pair | undefined> {
    const { signal, as } = options
    this.#as = as
    try {
      this.#pair = await pair({ ...options, worker: this.#worker, onMet: () => this.#stage.say(DATABASE.proving) })
      if (as === 'host') this.#enter('busy')
      return this.#pair
    } catch (error) {
      const why: unknown = errorCode(error) === 'ABORTED' && signal.aborted ? signal.reason : undefined
      if (why === 'withdrawn' || why === 'expired') this.#stage.say(DATABASE[why])
      else this.#stage.say(databaseFailure(encodeError(error), as === 'host'))
      this.#enter(as === 'host' ? 'using' : 'gone')
      return undefined
    }
  }

  /** After a loss: hears, or tells, whose the database is. */
  async #meetAgain(as: Party, looks: number): Promise<void> {
    this.#as = as
    this.#waiting = new AbortController()
    const { signal } = this.#waiting
    try {
      this.#pair = await meetAgain({ meeting: this.#again, as, worker: this.#worker, signal, looks })
      if (this.#pair && as === 'host') this.#send({ type: 'leave', ...this.#pair.link }, linkTransfer(this.#pair.link))
      else if (this.#pair) this.#sendCome(this.#pair)
      else if (this.#state === 'parted') this.#stage.say(DATABASE.undecided)
    } catch (error) {
      if (this.#state === 'parted' && !signal.aborted) this.#stage.say(databaseFailure(encodeError(error), false))
    }
  }

  #sendCome({ link }: Pair): void {
    const place = navigator.storage?.getDirectory === undefined ? 'indexeddb' : 'opfs'
    this.#send({ type: 'come', place, intervalMs: pictureInterval(), ...link }, linkTransfer(link))
  }

  #receive(message: FromDatabase): void {
    if (message.type === 'using') {
      this.#place = message.place
      this.#stage.put('place', PLACES[message.place])
      this.#stage.say(using(message, this.#as === 'guest'))
      this.#enter('using')
    } else if (message.type === 'inserts') {
      this.#stage.showFigures()
      this.#stage.put('rows', formatCount(message.inserts.rows))
      this.#stage.put('perSecond', formatCount(message.inserts.perSecond))
      this.#stage.put('longest', formatDuration(message.inserts.longestMs))
    } else if (message.type === 'moving') this.#show(message.blocks)
    else if (message.type === 'underWay') {
      this.#again = message.again
      const isComing = this.#as === 'guest'
      if (this.#state === 'parted') this.#stage.say(isComing ? DATABASE.proving : DATABASE.telling)
      else if (this.#state !== 'using') {
        this.#stage.plug.hidden = false
        this.#stage.say(isComing ? DATABASE.coming : DATABASE.leaving)
      }
    } else if (message.type === 'unheard' || message.type === 'doubted') {
      this.#enter('parted')
      this.#stage.say(DATABASE[message.type])
      if (message.type === 'doubted') this.#askToTakeOver()
      void this.#meetAgain(message.type === 'unheard' ? 'host' : 'guest', LOOKS)
    } else if (message.type === 'parted') void this.#meetAgain('guest', LAST_LOOKS)
    else if (message.type === 'notTaken') {
      this.#notice?.complain(message.error.message)
      void this.#meetAgain('guest', LOOKS)
    } else if (message.type === 'swapped') {
      this.#place = message.to
      this.#stage.put('place', PLACES[message.to])
      this.#stage.say(swapped(message))
      this.#showAllMoved()
      this.#enter('using')
    } else if (message.type === 'left') {
      this.#stage.say(left(message))
      this.#showAllMoved()
      this.#enter('gone')
    } else if (message.type === 'checked') this.#stage.say(checked(message))
    else if (message.type === 'failed') {
      this.#stage.say(databaseFailure(message.error, message.stillHere))
      this.#enter(message.stillHere ? 'using' : 'gone')
    }
  }

  #askToTakeOver(): void {
    this.#notice?.remove()
    this.#notice = askToTakeOver(part(this.#panel, 'doubt'), 'database', () => {
      this.#waiting.abort('taken over')
      this.#send({ type: 'takeOver' })
    })
  }

  #show(blocks: Uint8Array): void {
    this.#blocks = blocks.length
    this.#stage.showBlocks(blocks)
  }

  /** The last picture was taken a moment before the end. */
  #showAllMoved(): void {
    this.#show(new Uint8Array(this.#blocks).fill(MOVED))
  }

  get #elsewhere(): DatabasePlace {
    return this.#place === 'opfs' ? 'indexeddb' : 'opfs'
  }

  #enter(state: State): void {
    this.#state = state
    const isHere = state === 'using'
    const swap = part(this.#panel, 'swap')
    swap.hidden = !isHere || (this.#elsewhere === 'opfs' && navigator.storage?.getDirectory === undefined)
    swap.textContent = `Move to ${PLACES[this.#elsewhere]}`
    part(this.#panel, 'come').hidden = state !== 'offered'
    part(this.#panel, 'leave').hidden = !isHere
    part(this.#panel, 'check').hidden = !isHere
    part(this.#panel, 'invitation').hidden = state !== 'waiting'
    part(this.#panel, 'withdraw').hidden = state !== 'waiting'
    part(this.#panel, 'again').hidden = state !== 'gone' && state !== 'parted'
    if (isHere || state === 'gone' || state === 'parted') this.#stage.plug.hidden = true
    if (state !== 'parted') this.#notice?.remove()
  }

  #send(message: ToDatabase, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer)
  }
}
