import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { PAGE_BLOCKS } from '../../storage/block-digests.ts'
import { blockCount } from '../../storage/range.ts'
import { BOOT_ID_BYTES, LARGEST_PAGE_COUNT } from '../limits.ts'
import type { Ownership } from './ownership.ts'
import { decodeOwnership, encodeOwnership, OWNERSHIP_BYTES } from './ownership-record.ts'
import { PageMap } from './page-map.ts'

/** Bytes that tell one life of a journal from the next. */
export const LIFE_BYTES = 8

/** Everything of a journal that is replaced as a whole. */
export interface JournalRecord {
  /** Of the disk, in bytes. */
  readonly size: number
  readonly blockSize: number
  readonly ownership: Ownership | undefined
  /** What the caller calls the boot of the machine; empty when it cannot tell. */
  readonly bootId: string
  /** Digests were forgotten here without waiting for the storage: after a power loss none counts. */
  readonly forgetsLazily: boolean
  /** Slices of another life are not of this journal. */
  readonly life: Uint8Array
  /** The last stamp given to a slice before this record. */
  readonly stamp: number
  /** What slices up to this stamp know was flushed with the disk. */
  readonly flushed: number
  readonly pages: PageMap
}

const HEAD_BYTES = 1 + 8 + 4 + LIFE_BYTES + 8 + 8 + 1 + BOOT_ID_BYTES + OWNERSHIP_BYTES
const OWNED = 1
const LAZY = 2

/** Bytes of the longest record for so many pages. */
export function longestRecord(pageCount: number): number {
  return HEAD_BYTES + pageCount
}

/** Pages of a disk. */
export function pageCountOf(size: number, blockSize: number): number {
  return Math.ceil(blockCount(size, blockSize) / PAGE_BLOCKS)
}

/**
 * ```
 * 0       1          9               13       21          29            37               38           102            196
 * | flags | size u64 | blockSize u32 | life 8 | stamp u64 | flushed u64 | boot length u8 | boot id 64 | ownership 94 | page map |
 * ```
 * Little-endian. Flags: 1 ownership, 2 forgets lazily.
 */
export function encodeJournalRecord(record: JournalRecord): Uint8Array {
  const boot = bootBytes(record.bootId)
  const map = record.pages.encode()
  const bytes = new Uint8Array(HEAD_BYTES + map.length)
  const view = new DataView(bytes.buffer)
  bytes[0] = (record.ownership ? OWNED : 0) | (record.forgetsLazily ? LAZY : 0)
  view.setBigUint64(1, BigInt(record.size), true)
  view.setUint32(9, record.blockSize, true)
  bytes.set(record.life, 13)
  view.setBigUint64(21, BigInt(record.stamp), true)
  view.setBigUint64(29, BigInt(record.flushed), true)
  bytes[37] = boot.length
  bytes.set(boot, 38)
  if (record.ownership) bytes.set(encodeOwnership(record.ownership), 38 + BOOT_ID_BYTES)
  bytes.set(map, HEAD_BYTES)
  return bytes
}

/** What {@link encodeJournalRecord} wrote; undefined for anything else. */
export function decodeJournalRecord(bytes: Uint8Array): JournalRecord | undefined {
  if (bytes.length < HEAD_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [size, stamp, flushed] = [1, 21, 29].map((at) => Number(view.getBigUint64(at, true))) as [
    number,
    number,
    number,
  ]
  const blockSize = view.getUint32(9, true)
  const bootLength = bytes[37]!
  if (![size, stamp, flushed].every(Number.isSafeInteger) || size === 0 || blockSize === 0) return undefined
  if (bytes[0]! > 3 || bootLength > BOOT_ID_BYTES) return undefined
  const isOwned = (bytes[0]! & OWNED) !== 0
  const ownership = isOwned ? decodeOwnership(bytes.subarray(38 + BOOT_ID_BYTES, HEAD_BYTES)) : undefined
  const pageCount = pageCountOf(size, blockSize)
  // Asked before memory is taken for them: a map of runs says little about how many pages it is for.
  if (pageCount > LARGEST_PAGE_COUNT || (isOwned && !ownership)) return undefined
  const pages = PageMap.decode(bytes.subarray(HEAD_BYTES), pageCount)
  const bootId = bootText(bytes.subarray(38, 38 + bootLength))
  if (!pages || bootId === undefined) return undefined
  const record: JournalRecord = {
    size,
    blockSize,
    ownership,
    bootId,
    forgetsLazily: (bytes[0]! & LAZY) !== 0,
    life: bytes.slice(13, 13 + LIFE_BYTES),
    stamp,
    flushed,
    pages,
  }
  // One form for each record: whatever does not come out the same was not written here.
  return encodeJournalRecord(record).every((byte, index) => byte === bytes[index]) ? record : undefined
}

/** Checks a boot id; what it is made of is the caller's business. */
export function checkBootId(bootId: string): string {
  bootBytes(bootId)
  return bootId
}

function bootBytes(bootId: string): Uint8Array {
  const bytes = new TextEncoder().encode(bootId)
  if (bytes.length > BOOT_ID_BYTES)
    throw new InvalidArgumentError('bootId', `at most ${BOOT_ID_BYTES} bytes`, bytes.length)
  return bytes
}

function bootText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
