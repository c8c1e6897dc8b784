import { CHUNK, CHUNK_DONE, SIMPLE_REPLY_MAGIC, STATE, STRUCTURED_REPLY_MAGIC } from './codes.ts'
import { STRING_BYTES } from './limits.ts'
import type { Request } from './transmission.ts'

/** Names the request that a reply belongs to. */
type Cookie = Pick<Request, 'cookieHigh' | 'cookieLow'>

/** Bytes of a simple reply before its data. */
export const SIMPLE_REPLY_BYTES = 16
/** Bytes of a data chunk before its data. */
export const DATA_CHUNK_BYTES = 28
const CHUNK_HEADER_BYTES = 20

/**
 * Writes a simple reply's header; a successful read's data follows it.
 * ```
 *   magic u32 | error u32 | cookie u64
 * ```
 */
export function writeSimpleReply(view: DataView, at: number, cookie: Cookie, error: number): void {
  view.setUint32(at, SIMPLE_REPLY_MAGIC)
  view.setUint32(at + 4, error)
  view.setUint32(at + 8, cookie.cookieHigh)
  view.setUint32(at + 12, cookie.cookieLow)
}

/** A simple reply without data. */
export function simpleReply(cookie: Cookie, error: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(SIMPLE_REPLY_BYTES))
  writeSimpleReply(view, 0, cookie, error)
  return new Uint8Array(view.buffer)
}

/** A part of the disk in a reply; `offset` counts from the start of the disk. */
interface Part {
  readonly offset: number
  readonly length: number
  /** The last chunk of its reply. */
  readonly done: boolean
}

/**
 * Writes the header of a chunk with `length` bytes of data, which follow it.
 * ```
 *   magic u32 | flags u16 | 1 u16 | cookie u64 | 8 + length u32 | offset u64 | data
 * ```
 */
export function writeDataChunk(view: DataView, at: number, cookie: Cookie, { offset, length, done }: Part): void {
  writeChunkHeader(view, at, cookie, { type: CHUNK.OFFSET_DATA, length: 8 + length, done })
  writeOffset(view, at + CHUNK_HEADER_BYTES, offset)
}

/**
 * A chunk that stands for zeroes.
 * ```
 *   magic u32 | flags u16 | 2 u16 | cookie u64 | 12 u32 | offset u64 | length u32
 * ```
 */
export function holeChunk(cookie: Cookie, { offset, length, done }: Part): Uint8Array {
  const view = chunk(cookie, { type: CHUNK.OFFSET_HOLE, length: 12, done })
  writeOffset(view, CHUNK_HEADER_BYTES, offset)
  view.setUint32(CHUNK_HEADER_BYTES + 8, length)
  return new Uint8Array(view.buffer)
}

/** A whole reply that says only that all went well. */
export function emptyChunk(cookie: Cookie): Uint8Array {
  return new Uint8Array(chunk(cookie, { type: CHUNK.NONE, length: 0, done: true }).buffer)
}

/**
 * A whole reply that says what went wrong.
 * ```
 *   magic u32 | 1 u16 | 0x8001 u16 | cookie u64 | 6 + n u32 | error u32 | n u16 | sentence of n bytes
 * ```
 */
export function errorChunk(cookie: Cookie, error: number, message: string): Uint8Array {
  const text = new Uint8Array(Math.min(message.length * 3, STRING_BYTES))
  const { written } = new TextEncoder().encodeInto(message, text)
  const view = chunk(cookie, { type: CHUNK.ERROR, length: 6 + written, done: true })
  view.setUint32(CHUNK_HEADER_BYTES, error)
  view.setUint16(CHUNK_HEADER_BYTES + 4, written)
  const bytes = new Uint8Array(view.buffer)
  bytes.set(text.subarray(0, written), CHUNK_HEADER_BYTES + 6)
  return bytes
}

/** A range of the disk and whether it is known to be a hole. */
export interface AllocationRange {
  readonly length: number
  readonly hole: boolean
}

/**
 * A whole reply about allocation; the ranges follow one another from where the client asked.
 * ```
 *   magic u32 | 1 u16 | 5 u16 | cookie u64 | 4 + 8n u32 | context u32 | (length u32 | state u32) * n
 * ```
 */
export function statusChunk(cookie: Cookie, context: number, ranges: readonly AllocationRange[]): Uint8Array {
  const view = chunk(cookie, { type: CHUNK.BLOCK_STATUS, length: 4 + 8 * ranges.length, done: true })
  view.setUint32(CHUNK_HEADER_BYTES, context)
  let at = CHUNK_HEADER_BYTES + 4
  for (const { length, hole } of ranges) {
    view.setUint32(at, length)
    view.setUint32(at + 4, hole ? STATE.HOLE | STATE.ZERO : 0)
    at += 8
  }
  return new Uint8Array(view.buffer)
}

interface ChunkHead {
  readonly type: number
  readonly length: number
  readonly done: boolean
}

function chunk(cookie: Cookie, head: ChunkHead): DataView<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(CHUNK_HEADER_BYTES + head.length))
  writeChunkHeader(view, 0, cookie, head)
  return view
}

function writeChunkHeader(view: DataView, at: number, cookie: Cookie, { type, length, done }: ChunkHead): void {
  view.setUint32(at, STRUCTURED_REPLY_MAGIC)
  view.setUint16(at + 4, done ? CHUNK_DONE : 0)
  view.setUint16(at + 6, type)
  view.setUint32(at + 8, cookie.cookieHigh)
  view.setUint32(at + 12, cookie.cookieLow)
  view.setUint32(at + 16, length)
}

function writeOffset(view: DataView, at: number, offset: number): void {
  view.setUint32(at, Math.floor(offset / 2 ** 32))
  view.setUint32(at + 4, offset % 2 ** 32)
}
