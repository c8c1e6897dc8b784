import { stat } from 'node:fs/promises'
import { StorageError } from '../errors/storage-error.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { readFully } from '../storage/sequential-reader.ts'

/** Bytes of the note at the end of a journal's file. */
export const STAMP_BYTES = 4096

/** How a disk was left, and whom it was moved with: what the journal of the library has no room for. */
export interface DiskStamp {
  /** What the file was when this program had closed it; undefined while it is open, and after a kill. */
  readonly closed?: string
  /** Where the other side was, for people. */
  readonly peer?: string
}

/** What of a file changes when somebody else writes to it; undefined for a device, of which nothing tells. */
export async function fileState(path: string): Promise<string | undefined> {
  const stats = await stat(path, { bigint: true })
  if (!stats.isFile()) return undefined
  const { ino, size, mtimeNs } = stats
  return `${ino} ${size} ${mtimeNs}`
}

/** Reads the note; `closed` is nothing that fits when it is broken. */
export async function readStamp(place: StorageProvider): Promise<DiskStamp> {
  if (place.size < STAMP_BYTES) return {}
  const bytes = new Uint8Array(STAMP_BYTES)
  await readFully(place, bytes, place.size - STAMP_BYTES)
  const end = bytes.indexOf(0)
  if (end === 0) return {}
  try {
    const note: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end)))
    if (typeof note !== 'object' || note === null) return { closed: '' }
    const text = (key: string) => (key in note ? String((note as Record<string, unknown>)[key]) : undefined)
    const [closed, peer] = [text('closed'), text('peer')]
    return { ...(closed === undefined ? {} : { closed }), ...(peer === undefined ? {} : { peer }) }
  } catch {
    return { closed: '' }
  }
}

/** Writes the note, and makes it durable. */
export async function writeStamp(place: StorageProvider, stamp: DiskStamp): Promise<void> {
  const bytes = new Uint8Array(STAMP_BYTES)
  const text = new TextEncoder().encode(JSON.stringify(stamp))
  if (text.length >= STAMP_BYTES) throw new StorageError('LIMIT_EXCEEDED', 'The note of a disk is too long.')
  bytes.set(text)
  await place.writeAt(bytes, place.size - STAMP_BYTES)
  await place.flush()
}
