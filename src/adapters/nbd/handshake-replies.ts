import {
  ALLOCATION_CONTEXT,
  ALLOCATION_CONTEXT_ID,
  HANDSHAKE_FLAG,
  INFO,
  NBD_MAGIC,
  OPTION_MAGIC,
  OPTION_REPLY,
  OPTION_REPLY_MAGIC,
  TRANSMISSION_FLAG,
} from './codes.ts'
import { REQUEST_BYTES } from './limits.ts'

/** What a client is told about an export before it uses it. */
export interface ExportFacts {
  readonly name: string
  readonly description: string
  /** Bytes. */
  readonly size: number
  readonly readOnly: boolean
}

const encoder = new TextEncoder()

/**
 * The first bytes of a connection.
 * ```
 *   "NBDMAGIC" | "IHAVEOPT" | handshake flags u16
 * ```
 */
export function greeting(): Uint8Array {
  const view = new DataView(new ArrayBuffer(18))
  view.setBigUint64(0, NBD_MAGIC)
  view.setBigUint64(8, OPTION_MAGIC)
  view.setUint16(16, HANDSHAKE_FLAG.FIXED_NEWSTYLE | HANDSHAKE_FLAG.NO_ZEROES)
  return bytesOf(view)
}

/**
 * A reply to an option.
 * ```
 *   magic u64 | option u32 | type u32 | length u32 | data
 * ```
 */
export function optionReply(option: number, type: number, data: Uint8Array = new Uint8Array()): Uint8Array {
  const view = new DataView(new ArrayBuffer(20 + data.length))
  view.setBigUint64(0, OPTION_REPLY_MAGIC)
  view.setUint32(8, option)
  view.setUint32(12, type)
  view.setUint32(16, data.length)
  const bytes = bytesOf(view)
  bytes.set(data, 20)
  return bytes
}

/** A refusal of an option, with a sentence for people. */
export function optionError(option: number, type: number, message: string): Uint8Array {
  return optionReply(option, type, encoder.encode(message))
}

/**
 * The end of the old way in, `EXPORT_NAME`.
 * ```
 *   size u64 | transmission flags u16 | 124 zeroes, unless both sides agreed to leave them out
 * ```
 */
export function exportNameReply(facts: ExportFacts, options: { structured: boolean; zeroes: boolean }): Uint8Array {
  const view = new DataView(new ArrayBuffer(options.zeroes ? 134 : 10))
  view.setBigUint64(0, BigInt(facts.size))
  view.setUint16(8, transmissionFlags(facts, options))
  return bytesOf(view)
}

/**
 * Replies of `INFO` and `GO`, without the final one.
 * ```
 *   EXPORT       0 u16 | size u64 | transmission flags u16
 *   NAME         1 u16 | name
 *   DESCRIPTION  2 u16 | text
 *   BLOCK_SIZE   3 u16 | minimum u32 | preferred u32 | maximum u32
 * ```
 */
export function infoReplies(
  option: number,
  facts: ExportFacts,
  { structured, wanted }: { structured: boolean; wanted: ReadonlySet<number> },
): Uint8Array[] {
  const size = new DataView(new ArrayBuffer(12))
  size.setUint16(0, INFO.EXPORT)
  size.setBigUint64(2, BigInt(facts.size))
  size.setUint16(10, transmissionFlags(facts, { structured }))
  const replies = [bytesOf(size)]
  if (wanted.has(INFO.NAME)) replies.push(infoText(INFO.NAME, facts.name))
  if (wanted.has(INFO.DESCRIPTION) && facts.description !== '') {
    replies.push(infoText(INFO.DESCRIPTION, facts.description))
  }
  if (wanted.has(INFO.BLOCK_SIZE)) {
    const blocks = new DataView(new ArrayBuffer(14))
    blocks.setUint16(0, INFO.BLOCK_SIZE)
    blocks.setUint32(2, SMALLEST_BLOCK)
    blocks.setUint32(6, PREFERRED_BLOCK)
    blocks.setUint32(10, REQUEST_BYTES)
    replies.push(bytesOf(blocks))
  }
  return replies.map((reply) => optionReply(option, OPTION_REPLY.INFO, reply))
}

/** A provider takes any range. */
const SMALLEST_BLOCK = 1
/** The protocol's own default, and the page of every file system that will lie on the disk. */
const PREFERRED_BLOCK = 4096

/**
 * One export of a list.
 * ```
 *   length of the name u32 | name | description
 * ```
 */
export function serverReply(option: number, { name, description }: ExportFacts): Uint8Array {
  const nameBytes = encoder.encode(name)
  const text = encoder.encode(description)
  const data = new Uint8Array(4 + nameBytes.length + text.length)
  new DataView(data.buffer).setUint32(0, nameBytes.length)
  data.set(nameBytes, 4)
  data.set(text, 4 + nameBytes.length)
  return optionReply(option, OPTION_REPLY.SERVER, data)
}

/**
 * The one metadata context; its number is 0 in a list, where nothing is selected.
 * ```
 *   number u32 | name
 * ```
 */
export function contextReply(option: number, { selected }: { selected: boolean }): Uint8Array {
  const name = encoder.encode(ALLOCATION_CONTEXT)
  const data = new Uint8Array(4 + name.length)
  new DataView(data.buffer).setUint32(0, selected ? ALLOCATION_CONTEXT_ID : 0)
  data.set(name, 4)
  return optionReply(option, OPTION_REPLY.META_CONTEXT, data)
}

/**
 * What clients may use. Several connections are welcome: all of them reach one storage, so a flush on one covers the writes answered on any.
 */
export function transmissionFlags({ readOnly }: ExportFacts, { structured }: { structured: boolean }): number {
  const { HAS_FLAGS, READ_ONLY, SEND_FLUSH, SEND_FUA, SEND_DF, CAN_MULTI_CONN } = TRANSMISSION_FLAG
  const { SEND_TRIM, SEND_WRITE_ZEROES, SEND_FAST_ZERO } = TRANSMISSION_FLAG
  let flags = HAS_FLAGS | SEND_FLUSH | SEND_FUA | CAN_MULTI_CONN
  if (structured) flags |= SEND_DF
  return flags | (readOnly ? READ_ONLY : SEND_TRIM | SEND_WRITE_ZEROES | SEND_FAST_ZERO)
}

function infoText(kind: number, text: string): Uint8Array {
  const bytes = encoder.encode(text)
  const data = new Uint8Array(2 + bytes.length)
  new DataView(data.buffer).setUint16(0, kind)
  data.set(bytes, 2)
  return data
}

function bytesOf(view: DataView<ArrayBuffer>): Uint8Array {
  return new Uint8Array(view.buffer)
}
