import { throwIfAborted } from '../../../src/async/abort.ts'
import type { Clock } from '../../../src/async/clock.ts'
import { errorCode, StorageError } from '../../../src/errors/storage-error.ts'
import { MESSAGE_COST } from '../../../src/transports/limits.ts'
import type { LinkEvents, MessageLink } from '../../../src/transports/message-link.ts'
import { MessagePipe } from '../../../src/transports/message-pipe.ts'
import { type FuzzTarget, join, must, mustEqual } from '../target.ts'

const WINDOW = 4096
const LARGEST_WINDOW = 16384
const SAID = ['+600', '+4096', 'more', 'end', 'done', 'bye', 'gone', '+0', '+2147483649', ''] as const
const STEPS = [
  'says',
  'sends',
  'opens',
  'is lost',
  'has room',
  'we send',
  'we close',
  'we take',
  'we abort',
  'turn',
] as const

/** What happens to a channel, two bytes a step: which step, and how much of it. */
type Step = (typeof STEPS)[number]

const script = (...steps: [Step, number?][]) =>
  Uint8Array.from(steps.flatMap(([step, value = 0]) => [STEPS.indexOf(step), value]))

/** A peer that does anything in any order: the channel ends with a code, holds no more than its window, and sends no more than it may. */
export const messagePipe: FuzzTarget = {
  name: 'message-pipe',
  seeds: [
    script(
      ['opens'],
      ['says', 1],
      ['sends', 9],
      ['turn'],
      ['we send', 5],
      ['we take'],
      ['turn'],
      ['says', 3],
      ['turn'],
      ['says', 4],
      ['says', 5],
      ['turn'],
    ),
    script(
      ['opens'],
      ['says', 0],
      ['we send', 99],
      ['we close'],
      ['turn'],
      ['says', 3],
      ['says', 4],
      ['turn'],
      ['is lost'],
    ),
    script(
      ['opens'],
      ['sends', 200],
      ['sends', 200],
      ['says', 2],
      ['turn'],
      ['we take'],
      ['turn'],
      ['says', 2],
      ['sends', 255],
    ),
    script(['opens'], ['we abort'], ['says', 6]),
    script(['says', 1], ['sends', 3], ['opens'], ['has room'], ['turn'], ['is lost']),
  ],
  async run(bytes) {
    const peer = new Peer()
    for (let at = 0; at + 1 < bytes.length && at < 200; at += 2) {
      const turn = peer.step(STEPS[bytes[at]! % STEPS.length]!, bytes[at + 1]!)
      if (turn) await turn
      peer.check()
    }
    peer.pipe.abort(new StorageError('ABORTED'))
    const reason = await peer.pipe.ended
    must(reason === undefined || errorCode(reason) !== undefined, `the end has a code: ${String(reason)}`)
    peer.check()
  },
}

/** Nothing passes by itself. */
const clock: Clock = {
  now: () => 0,
  sleep: (_, signal) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => {
        try {
          throwIfAborted(signal)
        } catch (error) {
          reject(error)
        }
      })
    }),
  yield: () => Promise.resolve(),
}

class Peer implements MessageLink {
  readonly messageBytes = 256
  readonly sending = 'copied'
  readonly pipe: MessagePipe
  #events: LinkEvents | undefined
  #state: 'new' | 'open' | 'gone' = 'new'
  /** Credit granted to us, and what we have spent of it. */
  #granted = 0
  #spent = 0
  readonly #sent: Uint8Array[] = []
  readonly #came: Uint8Array[] = []
  #held = 0
  #take: (() => void) | undefined
  #count = 0

  constructor() {
    this.pipe = new MessagePipe(this, {
      kind: 'fuzzed',
      windowBytes: WINDOW,
      largestWindowBytes: LARGEST_WINDOW,
      clock,
    })
    this.pipe.receive(
      (bytes) =>
        new Promise((resolve) => {
          this.#came.push(bytes.slice())
          this.#take = () => {
            this.#held -= bytes.length + MESSAGE_COST
            resolve()
          }
        }),
    )
  }

  step(step: Step, value: number): Promise<void> | void {
    const isHeard = this.#state === 'open'
    switch (step) {
      case 'opens':
        if (this.#state !== 'new') return
        this.#state = 'open'
        return this.#events?.opened()
      case 'says':
        return isHeard ? this.#say(SAID[value % SAID.length]!) : undefined
      case 'sends':
        return isHeard ? this.#send(value * 4) : undefined
      case 'is lost':
        this.#state = 'gone'
        return this.#events?.lost()
      case 'has room':
        return this.#events?.room()
      case 'we send':
        this.pipe.send([new Uint8Array(value)]).catch(withCode)
        return
      case 'we close':
        this.pipe.close().catch(withCode)
        return
      case 'we take':
        return this.#take?.()
      case 'we abort':
        return this.pipe.abort(new StorageError('ABORTED'))
      case 'turn':
        return turns()
    }
  }

  check(): void {
    must(this.#spent <= this.#granted, `${this.#spent} bytes are sent with credit for ${this.#granted}`)
    const came = join(this.#came)
    mustEqual(came, join(this.#sent).subarray(0, came.length), 'what came is what was sent')
  }

  #say(text: string): void {
    if (/^\+[1-9]/.test(text)) this.#granted += Number(text)
    this.#events!.text(text)
  }

  #send(length: number): void {
    const message = new Uint8Array(length).fill(++this.#count)
    this.#sent.push(message)
    this.#held += length + MESSAGE_COST
    this.#events!.bytes(message)
    must(this.#state === 'gone' || this.#held <= LARGEST_WINDOW, `no more than the window waits: ${this.#held}`)
  }

  hasRoom(): boolean {
    return true
  }

  listen(events: LinkEvents): void {
    this.#events = events
  }

  sendBytes(message: Uint8Array): void {
    must(this.#state === 'open', 'bytes go through an open link')
    must(message.length > 0 && message.length <= this.messageBytes, `a message of ${message.length} bytes`)
    this.#spent += message.length + MESSAGE_COST
  }

  sendText(): void {
    must(this.#state === 'open', 'text goes through an open link')
  }

  close(): void {
    this.#state = 'gone'
  }

  destroy(): void {
    this.#state = 'gone'
  }
}

function withCode(error: unknown): void {
  must(errorCode(error) !== undefined, `a refusal has a code: ${String(error)}`)
}

/** Everything that follows from what has happened happens. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await undefined
}
