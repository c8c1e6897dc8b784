import { type ErrorCode, StorageError } from '../../errors/storage-error.ts'
import { ALLOCATION_CONTEXT, HANDSHAKE_FLAG, OPTION, OPTION_MAGIC, OPTION_REPLY } from './codes.ts'
import {
  contextReply,
  type ExportFacts,
  exportNameReply,
  infoReplies,
  optionError,
  optionReply,
  serverReply,
} from './handshake-replies.ts'
import { OPTION_BYTES, OPTIONS } from './limits.ts'
import { decodeContextQuery, decodeInfoRequest, decodeString, OptionFormatError } from './option-data.ts'

/** The exports a client may choose from. */
export interface ExportDirectory<Export extends ExportFacts> {
  /** All exports, for a client that asks what there is. */
  list(): readonly Export[]
  /** The export of a name; the empty name asks for the default one. */
  find(name: string): Export | undefined
  /** No export is given out any more. */
  readonly closing: boolean
}

/** How a handshake went on with the bytes it was given. */
export interface HandshakeProgress<Export extends ExportFacts> {
  /** Bytes taken, at most one option's; what is left belongs to the next call, or to the transmission. */
  readonly consumed: number
  /** To be sent now. */
  readonly replies: readonly Uint8Array[]
  /** There when the handshake is over. */
  readonly outcome?: HandshakeOutcome<Export>
}

/** How a handshake ends: with an export in use, because the client said so, or because it broke the protocol. */
export type HandshakeOutcome<Export extends ExportFacts> =
  | { readonly kind: 'chosen'; readonly export: Export; readonly structured: boolean; readonly allocation: boolean }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'refused'; readonly error: StorageError }

/** Handling an option gives replies, and perhaps the end. */
type Answer<Export extends ExportFacts> = Omit<HandshakeProgress<Export>, 'consumed'>

/**
 * The server's side of the fixed newstyle handshake, without a socket: bytes of the client in, replies out.
 * ```
 *   C: client flags u32                                      once
 *   C: "IHAVEOPT" | option u32 | length u32 | data           again and again
 * ```
 * It keeps the bytes of one unfinished option, at most `OPTION_BYTES`. Encrypted connections (`STARTTLS`) are not offered.
 */
export class Handshake<Export extends ExportFacts> {
  readonly #directory: ExportDirectory<Export>
  #state: 'flags' | 'header' | 'data' = 'flags'
  /** What is being collected: the flags, an option's header or its data. */
  #field = new Uint8Array(4)
  #filled = 0
  #option = 0
  #options = 0
  #zeroes = true
  #structured = false
  /** The export whose allocation was asked for with success. */
  #allocationOf: Export | undefined

  constructor(directory: ExportDirectory<Export>) {
    this.#directory = directory
  }

  /** Takes bytes of the client up to the end of one option. The bytes are only looked at. Not to be called once there is an outcome. */
  receive(bytes: Uint8Array): HandshakeProgress<Export> {
    let consumed = 0
    try {
      for (;;) {
        const count = Math.min(this.#field.length - this.#filled, bytes.length - consumed)
        this.#field.set(bytes.subarray(consumed, consumed + count), this.#filled)
        this.#filled += count
        consumed += count
        if (this.#filled < this.#field.length) return { consumed, replies: [] }
        const answer = this.#takeField(this.#field)
        if (answer) return { consumed, ...answer }
      }
    } catch (error) {
      if (error instanceof StorageError) return { consumed, replies: [], outcome: { kind: 'refused', error } }
      throw error
    }
  }

  #takeField(field: Uint8Array): Answer<Export> | undefined {
    const view = new DataView(field.buffer)
    switch (this.#state) {
      case 'flags':
        this.#takeFlags(view.getUint32(0))
        this.#collect('header', 16)
        return undefined
      case 'header':
        this.#collect('data', this.#takeHeader(view))
        return undefined
      case 'data':
        this.#collect('header', 16)
        return this.#answer(this.#option, field)
    }
  }

  #collect(state: 'header' | 'data', bytes: number): void {
    this.#state = state
    this.#field = new Uint8Array(bytes)
    this.#filled = 0
  }

  #takeFlags(flags: number): void {
    const { FIXED_NEWSTYLE, NO_ZEROES } = HANDSHAKE_FLAG
    // Unknown flags must end the connection: the client will speak in a way that we do not understand.
    if ((flags & ~(FIXED_NEWSTYLE | NO_ZEROES)) !== 0) throw refusal('INCOMPATIBLE', 'the client sets unknown flags')
    this.#zeroes = (flags & NO_ZEROES) === 0
  }

  /** Returns how much data follows. */
  #takeHeader(view: DataView): number {
    if (view.getBigUint64(0) !== OPTION_MAGIC) throw refusal('MALFORMED', 'an option does not begin with IHAVEOPT')
    if (++this.#options > OPTIONS) throw refusal('LIMIT_EXCEEDED', `the client sends more than ${OPTIONS} options`)
    this.#option = view.getUint32(8)
    const length = view.getUint32(12)
    if (length > OPTION_BYTES) throw refusal('LIMIT_EXCEEDED', `an option has ${length} bytes of data`)
    return length
  }

  #answer(option: number, data: Uint8Array): Answer<Export> {
    if (option === OPTION.EXPORT_NAME) return this.#exportName(data)
    if (option === OPTION.ABORT)
      return { replies: [optionReply(option, OPTION_REPLY.ACK)], outcome: { kind: 'aborted' } }
    if (this.#directory.closing) return failure(option, OPTION_REPLY.ERR_SHUTDOWN, 'the server is closing')
    try {
      return this.#answerKnown(option, data)
    } catch (error) {
      if (error instanceof OptionFormatError) return failure(option, OPTION_REPLY.ERR_INVALID, error.message)
      throw error
    }
  }

  #answerKnown(option: number, data: Uint8Array): Answer<Export> {
    switch (option) {
      case OPTION.LIST:
        refuseData(data)
        return success(option, ...this.#directory.list().map((facts) => serverReply(option, facts)))
      case OPTION.STRUCTURED_REPLY:
        refuseData(data)
        this.#structured = true
        return success(option)
      case OPTION.INFO:
      case OPTION.GO:
        return this.#info(option, data)
      case OPTION.LIST_META_CONTEXT:
      case OPTION.SET_META_CONTEXT:
        return this.#contexts(option, data)
      default:
        return failure(option, OPTION_REPLY.ERR_UNSUP, `option ${option} is not known here`)
    }
  }

  /** This option has no way to refuse but to hang up. */
  #exportName(data: Uint8Array): Answer<Export> {
    let name = ''
    try {
      name = decodeString(data)
    } catch (cause) {
      throw new StorageError('MALFORMED', 'the name of the export is not a name', { cause })
    }
    const chosen = this.#directory.closing ? undefined : this.#directory.find(name)
    if (!chosen) throw refusal('NOT_FOUND', `there is no export "${name}"`)
    const reply = exportNameReply(chosen, { structured: this.#structured, zeroes: this.#zeroes })
    return { replies: [reply], outcome: this.#chosen(chosen) }
  }

  #info(option: number, data: Uint8Array): Answer<Export> {
    const { name, wanted } = decodeInfoRequest(data)
    const found = this.#directory.find(name)
    if (!found) return unknownExport(option, name)
    const answer = success(option, ...infoReplies(option, found, { structured: this.#structured, wanted }))
    return option === OPTION.GO ? { ...answer, outcome: this.#chosen(found) } : answer
  }

  #contexts(option: number, data: Uint8Array): Answer<Export> {
    const selected = option === OPTION.SET_META_CONTEXT
    // Each attempt replaces the selection before it, also one that fails.
    if (selected) this.#allocationOf = undefined
    const { name, queries } = decodeContextQuery(data)
    if (!this.#structured) throw new OptionFormatError('structured replies come first')
    const found = this.#directory.find(name)
    if (!found) return unknownExport(option, name)
    const all = !selected && (queries.length === 0 || queries.includes('base:'))
    if (!all && !queries.includes(ALLOCATION_CONTEXT)) return success(option)
    if (selected) this.#allocationOf = found
    return success(option, contextReply(option, { selected }))
  }

  #chosen(chosen: Export): HandshakeOutcome<Export> {
    const allocation = this.#allocationOf === chosen
    return { kind: 'chosen', export: chosen, structured: this.#structured, allocation }
  }
}

function refuseData(data: Uint8Array): void {
  if (data.length > 0) throw new OptionFormatError('this option has no data')
}

function success(option: number, ...replies: Uint8Array[]): { replies: Uint8Array[] } {
  return { replies: [...replies, optionReply(option, OPTION_REPLY.ACK)] }
}

function failure(option: number, type: number, message: string): { replies: Uint8Array[] } {
  return { replies: [optionError(option, type, message)] }
}

function unknownExport(option: number, name: string): { replies: Uint8Array[] } {
  // Cut, since the sentence is a string as well and must not be longer than one.
  return failure(option, OPTION_REPLY.ERR_UNKNOWN, `there is no export "${name.slice(0, 256)}"`)
}

function refusal(code: ErrorCode, message: string): StorageError {
  return new StorageError(code, message)
}
