import { errorCode, errorMessage, StorageError } from '../errors/storage-error.ts'
import { CONTROL_DEVICE, type Connection } from '../protocol/connection.ts'
import type { Output } from './output.ts'
import { part, within } from './peer-link.ts'

/** A peer that does not answer within this time when somebody else wants to come in has left without a word. */
const ANSWER_MS = 3_000

/** Lets one peer in at a time. One that comes back while its old connection seems to stand takes its place. */
export class Visitors {
  readonly #output: Output
  readonly #busy: string
  #current: { readonly connection: Connection; readonly over: Promise<unknown> } | undefined

  /** `busy`: what a second one is told. */
  constructor(output: Output, busy: string) {
    this.#output = output
    this.#busy = busy
  }

  get isBusy(): boolean {
    return this.#current !== undefined
  }

  /** Deals with a peer once nobody else is inside, or turns it away; resolves when it has left. `visit` never rejects. */
  async welcome(connection: Connection, visit: () => Promise<void>): Promise<void> {
    while (this.#current) {
      if (await hasLeft(this.#current.connection)) await this.#current?.over
      else {
        const busy = new StorageError('BUSY', this.#busy)
        this.turnedAway('a second peer was turned away', busy)
        await part(connection, busy)
        return
      }
    }
    const over = visit().finally(() => {
      this.#current = undefined
    })
    this.#current = { connection, over }
    await over
  }

  /** Says that somebody could not come in. */
  turnedAway(what: string, error: unknown): void {
    tellFailure(this.#output, 'refused', what, error)
  }
}

/** Says on the output what failed, as an event of its own. */
export function tellFailure(output: Output, event: string, what: string, error: unknown): void {
  const code = errorCode(error)
  const message = errorMessage(error)
  output.event(event, { code: code ?? null, message }, `${what}: ${message}${code === undefined ? '' : ` [${code}]`}`)
}

async function hasLeft({ rw, dialect }: Connection): Promise<boolean> {
  // This dialect has no such question.
  if (dialect === 'silo') return Promise.race([rw.ended.then(() => true), Promise.resolve(false)])
  try {
    if (await within(rw.request(CONTROL_DEVICE, { kind: 'ping' }, { urgent: true }), ANSWER_MS)) return false
  } catch {
    return true
  }
  rw.abort(new StorageError('PEER_LOST', 'the peer does not answer, and somebody else has come'))
  return true
}
