import { rm, stat } from 'node:fs/promises'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Ownership } from '../migration/journal/ownership.ts'
import { addressText, type DiskAddress } from './disk-address.ts'
import { claimOf, notOwner } from './disk-claim.ts'
import { journalPath, readRecord, removeRecord } from './journal-beside.ts'

/** What may be done with what is at the destination. */
export interface DestinationFlags {
  /** Write over a destination that exists. */
  readonly force: boolean
  /** Go on with what is there. */
  readonly resume: boolean
  /** Throw away what an interrupted pull left there. */
  readonly discard: boolean
  /** What is there is an older copy: only what differs travels. */
  readonly delta: boolean
}

/** How the place of an arriving disk is opened. */
export interface DestinationPlan {
  /** `anew`: whatever is there is overwritten. `older`: it is hashed, and kept where it is right. `known`: the journal beside it knows. */
  readonly kind: 'anew' | 'older' | 'known'
  /** A file that exists may be overwritten. */
  readonly mayOverwrite: boolean
  /** Of `known`: what the journal says. */
  readonly ownership: Ownership | undefined
}

/**
 * Decides what to do with what is at the destination, before anybody is called; carries out what `discard` and `force` ask for.
 * @throws StorageError `OPEN_FAILED`, `NOT_OWNER`, `IN_DOUBT`, `NOT_FOUND`; InvalidArgumentError
 */
export async function planDestination(to: DiskAddress, flags: DestinationFlags): Promise<DestinationPlan> {
  const anew = { kind: 'anew', mayOverwrite: flags.force, ownership: undefined } as const
  if (to.kind !== 'file') {
    if (!flags.resume && !flags.delta && !flags.discard) return anew
    throw new InvalidArgumentError('disk', 'a path, where something can be left from before', addressText(to))
  }
  const { path } = to
  const record = await readRecord(path)
  if (record) return planKnown(path, record.ownership, flags)
  const exists = await isThere(path)
  // A journal that says nothing yet: the disk beside it was made by a pull that was killed at once.
  if (exists && (await isThere(journalPath(path)))) return { ...anew, mayOverwrite: true }
  if (exists && flags.delta) return { kind: 'older', mayOverwrite: flags.force, ownership: undefined }
  if (exists && flags.resume) {
    throw new StorageError(
      'NOT_FOUND',
      `"${path}" has no journal, so there is nothing to resume; --delta keeps what is right`,
    )
  }
  if (exists && !flags.force) {
    const advice = 'write over it with --force, or only what differs with --delta'
    throw new StorageError('OPEN_FAILED', `"${path}" exists; ${advice}`, { context: { path } })
  }
  return anew
}

async function planKnown(path: string, ownership: Ownership, flags: DestinationFlags): Promise<DestinationPlan> {
  const known = { kind: 'known', mayOverwrite: false, ownership } as const
  const { state, missing } = ownership
  const mayOwn = state === 'prepared' || state === 'owner'
  // The copy that stayed behind when the disk went away: it comes back, and only what was written travels.
  const isBehind = state === 'released' || state === 'gone'
  if (flags.discard || (flags.force && !isBehind)) {
    if (!(mayOwn || state === 'released') || flags.force) return discard(path, flags)
    const { state: text } = claimOf(ownership)
    const message = `"${path}" is not thrown away: ${text}; --discard --force loses it for good`
    throw new StorageError(state === 'prepared' ? 'IN_DOUBT' : 'NOT_OWNER', message, { context: { path, state } })
  }
  if (flags.resume || isBehind) return known
  if (state === 'owner' && !missing) {
    throw new StorageError('OPEN_FAILED', `"${path}" exists and belongs to this side; write over it with --force`, {
      context: { path },
    })
  }
  throw notOwner(path, ownership)
}

/** A file that was half there must not look like a disk for a moment, so it goes before its journal. */
async function discard(path: string, { delta }: DestinationFlags): Promise<DestinationPlan> {
  const status = await stat(path).catch(() => undefined)
  if (status?.isFile() && !delta) await rm(path)
  await removeRecord(path)
  return { kind: delta && status ? 'older' : 'anew', mayOverwrite: true, ownership: undefined }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
