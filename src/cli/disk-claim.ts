import { StorageError } from '../errors/storage-error.ts'
import type { Ownership } from '../migration/journal/ownership.ts'
import type { DiskAddress } from './disk-address.ts'
import { readRecord } from './journal-beside.ts'

/** What a disk is on this machine, in the words of `own`. */
export interface DiskClaim {
  /** Whether clients may write to it here. */
  readonly mayWrite: boolean
  /** Whether all of it is here. */
  readonly isWhole: boolean
  /** One sentence. */
  readonly state: string
  /** What the user does next. */
  readonly advice: string
}

/** Says what a record means for the one who has the disk. */
export function claimOf({ state, missing, epoch, migration }: Ownership): DiskClaim {
  const next = migration?.nextEpoch ?? epoch + 1
  switch (state) {
    case 'owner':
      if (missing) {
        return {
          mayWrite: false,
          isWhole: false,
          state: `it belongs to this side since epoch ${epoch}, and blocks of it are still at the other`,
          advice: 'go on with pull --resume; if the other side is gone for good: blockferry own --take-over',
        }
      }
      return { mayWrite: true, isWhole: true, state: `it belongs to this side, epoch ${epoch}`, advice: 'use it' }
    case 'receiving':
      return {
        mayWrite: false,
        isWhole: false,
        state: `it is still on its way here, epoch ${epoch} is the other side's`,
        advice: 'go on with pull --resume, or give up what is here with pull --discard',
      }
    case 'prepared':
      return {
        mayWrite: false,
        isWhole: !missing,
        state: `it was about to be handed over as epoch ${next}; only the other side knows whether it was`,
        advice: 'go on with pull --resume',
      }
    case 'released':
      return {
        mayWrite: false,
        isWhole: true,
        state: `it was given away as epoch ${next}, and the other side has not said that it has everything`,
        advice: 'start serve or push again until it has; this copy may only be read',
      }
    case 'gone':
      return {
        mayWrite: false,
        isWhole: true,
        state: `it has moved away as epoch ${next}; what is here is the copy as of then`,
        advice: 'pull it back; if the other side is gone for good: blockferry own --take-over',
      }
  }
}

/** Refuses to write to a disk that is not this side's, or that is on its way. @throws StorageError `NOT_OWNER`, `CORRUPT` */
export async function refuseForeignDisk(address: DiskAddress): Promise<void> {
  if (address.kind !== 'file') return
  const record = await readRecord(address.path)
  if (record && !claimOf(record.ownership).mayWrite) throw notOwner(address.path, record.ownership)
}

/** Refuses to take a disk for a copy of which parts are missing. @throws StorageError `NOT_OWNER`, `CORRUPT` */
export async function refusePartOfDisk(address: DiskAddress): Promise<void> {
  if (address.kind !== 'file') return
  const record = await readRecord(address.path)
  if (record && !claimOf(record.ownership).isWhole) throw notOwner(address.path, record.ownership)
}

/** The refusal, with what to do. */
export function notOwner(path: string, ownership: Ownership): StorageError {
  const { state, advice } = claimOf(ownership)
  const { epoch } = ownership
  return new StorageError('NOT_OWNER', `"${path}" cannot be used: ${state}; ${advice}`, {
    context: { path, state: ownership.state, epoch },
  })
}
