import { finishSettling } from '../../devices/disk-journal.ts'
import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { StorageError } from '../../errors/storage-error.ts'
import { type Ownership, takeOver } from '../../migration/journal/ownership.ts'
import { addressText, type DiskAddress } from '../disk-address.ts'
import { claimOf } from '../disk-claim.ts'
import { type DiskRecord, JournalBeside, readRecord } from '../journal-beside.ts'
import { openSource } from '../open-disk.ts'
import type { Output } from '../output.ts'
import { formatSize } from '../sizes.ts'

/** What `blockferry own` was asked for. */
export interface OwnOptions {
  readonly disk: DiskAddress
  /** Make this side the owner without the word of the other. */
  readonly takeOver: boolean
  /** The user knows what that means. */
  readonly yes: boolean
  /** Also where parts of the disk never came. */
  readonly force: boolean
}

/**
 * Says whose a disk is by the journal beside it, and takes it over by force where that is asked for.
 * @throws StorageError `NOT_FOUND`, `CORRUPT`, `NOT_OWNER`; InvalidArgumentError for a take-over that is not confirmed
 */
export async function own(options: OwnOptions, output: Output): Promise<void> {
  const { disk } = options
  if (disk.kind !== 'file') throw new InvalidArgumentError('disk', 'a path', addressText(disk))
  const storage = await openSource(disk)
  await storage.close()
  const record = await readRecord(disk.path)
  if (!options.takeOver) {
    report(disk.path, storage.size, record, output)
    return
  }
  if (!record) throw new StorageError('NOT_OWNER', `"${disk.path}" was never moved, so it belongs to this side already`)
  if (!options.yes) {
    const { state } = claimOf(record.ownership)
    const message = `--yes, since two owners of one disk cannot be made one again (${state})`
    throw new InvalidArgumentError('--take-over', message, 'no confirmation')
  }
  await seize(disk.path, record.ownership, options.force)
  report(disk.path, storage.size, await readRecord(disk.path), output)
}

/** Writes down that the disk is this side's because somebody said so. */
async function seize(path: string, ownership: Ownership, force: boolean): Promise<void> {
  const { size, blockSize, state, missing } = ownership
  const beside = await JournalBeside.open(path, { size, blockSize })
  try {
    const { journal } = beside
    const { blockCount, knownBlocks } = journal.digests
    // While blocks are on their way here, those that are known are those that came.
    const lacking = state === 'receiving' || missing ? blockCount - knownBlocks : 0
    if (lacking > 0 && !force) {
      throw new StorageError(
        'NOT_OWNER',
        `"${path}" is not whole: ${lacking} of ${blockCount} blocks may never have come; --force takes it as it is`,
      )
    }
    const isWhole = state === 'owner' && !missing
    await journal.become(isWhole ? { ...ownership, forced: true } : takeOver(ownership))
    await finishSettling(journal)
  } finally {
    await beside.close()
  }
}

function report(path: string, size: number, record: DiskRecord | undefined, output: Output): void {
  if (!record) {
    output.result({ command: 'own', disk: path, size, recorded: false, mayWrite: true, state: 'owner', epoch: null }, [
      `${path}: ${formatSize(size)}, never moved: it belongs to this side`,
    ])
    return
  }
  const { ownership, peer } = record
  const { state, epoch, diskId, forced = false, missing = false, root, blockSize } = ownership
  const claim = claimOf(ownership)
  output.result(
    {
      command: 'own',
      disk: path,
      size,
      recorded: true,
      mayWrite: claim.mayWrite,
      state,
      epoch,
      diskId,
      blockSize,
      forced,
      missing,
      root: root ?? null,
      peer: peer ?? null,
      advice: claim.advice,
    },
    [
      `${path}: ${formatSize(size)}, ${claim.state}`,
      `disk            ${diskId}`,
      `other side      ${peer ?? 'not known'}`,
      ...(forced ? ['taken over      by force: the other side may think that the disk is its own'] : []),
      `what to do      ${claim.advice}`,
    ],
  )
}
