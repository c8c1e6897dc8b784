import { StorageError } from '../../errors/storage-error.ts'

/**
 * Where one side stands with a disk. Only an `owner` may write, and of the two sides of a migration at most one is.
 *
 * - `owner`: the disk is this side's.
 * - `receiving`: blocks arrive; the source owns it.
 * - `prepared`: everything that was agreed is here and flushed, and this side waits for the last word: it takes no block and writes nothing.
 * - `released`: this side gave it away and never writes again, whatever becomes of the other.
 * - `gone`: the other side said that it owns it and needs nothing more from here.
 */
export type OwnershipState = (typeof OWNERSHIP_STATES)[number]

/** In the order of their numbers in a stored record. */
export const OWNERSHIP_STATES = ['owner', 'receiving', 'prepared', 'released', 'gone'] as const

/** One migration of a disk, as both its sides know it. Ids are 32 hexadecimal characters. */
export interface MigrationIdentity {
  readonly id: string
  /** Proves to either side that the other is the one it began with. A secret: never shown, never sent again. */
  readonly key: string
  /** The epoch the destination will own the disk with. */
  readonly nextEpoch: number
}

/** What one side stores about whose disk it is. Immutable; each transition makes a new one. */
export interface Ownership {
  /** 32 hexadecimal characters, the same on every side a disk was ever on. */
  readonly diskId: string
  /** Grows by one with each hand-over. Of `receiving` and `prepared`: that of the source. */
  readonly epoch: number
  readonly state: OwnershipState
  /** Bytes. */
  readonly size: number
  readonly blockSize: number
  /** The migration under way; of an owner that received the disk, the one it came by, until it moves on. */
  readonly migration?: MigrationIdentity
  /**
   * The migration by which the disk came here before its owner began another one: whoever gave it away then may not have heard how that ended, and is told
   * by who knows its key.
   */
  readonly origin?: MigrationIdentity
  /** The root agreed at the hand-over, 32 hexadecimal characters. */
  readonly root?: string
  /** Of `prepared` and `owner`: blocks were still at the source when it was handed over, and are not known to have arrived. */
  readonly missing?: true
  /**
   * Of `owner`: nothing is missing any more, or will come, and digests may still be those of the hand-over, where the disk was written since. Who finds this after a
   * start trusts none of them.
   */
  readonly settling?: true
  /** Of `owner`: it was taken over without the word of the one who had it. */
  readonly forced?: true
}

/** What a disk is, whoever owns it. */
export type DiskIdentity = Pick<Ownership, 'diskId' | 'size' | 'blockSize'>

/** The epoch of a disk that was never handed over. */
export const FIRST_EPOCH = 1

/** Both sides' records of one disk, looked at together. */
export type Verdict =
  /** The source owns the disk: move it, or go on moving it. */
  | 'source-owns'
  /** The source gave it away and the destination waits for the word: say it (again). */
  | 'send-commit'
  /** The destination owns the disk: acknowledge. */
  | 'destination-owns'
  /** Two owners, or none that could be found: both stop until somebody decides. Code `IN_DOUBT`. */
  | 'conflict'

/** A record for a disk that is this side's from the beginning. */
export function ownDisk({ diskId, size, blockSize }: DiskIdentity): Ownership {
  return { diskId, epoch: FIRST_EPOCH, state: 'owner', size, blockSize }
}

/** Whether the one with this record may write to the disk. */
export function mayWrite(ownership: Ownership): boolean {
  return ownership.state === 'owner'
}

/** Source: a migration begins, or another one after the last was given up. The disk stays the source's. Refused while blocks are missing here. */
export function begin(ownership: Ownership, migration: Pick<MigrationIdentity, 'id' | 'key'>): Ownership {
  if (ownership.state !== 'owner' || ownership.missing) throw refused('begin', ownership)
  const { id, key } = migration
  const { epoch } = ownership
  // One that was given up has nobody who waits to hear of it.
  const origin = isUnderWay(ownership) ? ownership.origin : (ownership.migration ?? ownership.origin)
  return {
    ...bare(ownership),
    ...kept(ownership),
    ...(origin ? { origin } : {}),
    migration: { id, key, nextEpoch: epoch + 1 },
  }
}

/**
 * Destination: takes part in a migration of the disk that begins with `epoch`. `before` is what is recorded here already: nothing, an older
 * migration that never ended, or a disk that was given away from here. An owner refuses, and so does one that waits for the last word of another
 * migration: that copy must be discarded first. Again for the same migration: no change.
 */
export function receive(
  before: Ownership | undefined,
  disk: DiskIdentity,
  epoch: number,
  migration: Pick<MigrationIdentity, 'id' | 'key'>,
): Ownership {
  const isSame = before?.migration?.id === migration.id
  if (before && isSame && (before.state === 'receiving' || before.state === 'prepared')) return before
  if (before && (isSame || before.state === 'owner' || before.state === 'prepared')) throw refused('receive', before)
  // What was given away comes back later than it went, or it is an old copy that speaks.
  if (before?.diskId === disk.diskId && epoch < highestEpoch(before)) throw refused('receive', before)
  const { id, key } = migration
  const { diskId, size, blockSize } = disk
  const origin = before?.diskId === diskId ? before.origin : undefined
  const record: Ownership = { diskId, epoch, state: 'receiving', size, blockSize, ...(origin ? { origin } : {}) }
  return { ...record, migration: { id, key, nextEpoch: epoch + 1 } }
}

/** Destination: everything that was agreed is here and flushed. Again: takes over what was agreed last. */
export function prepare(ownership: Ownership, agreed: { root?: string | undefined; missing?: boolean }): Ownership {
  const { state, migration } = ownership
  if ((state !== 'receiving' && state !== 'prepared') || !migration) throw refused('prepare', ownership)
  return { ...bare(ownership), state: 'prepared', migration, ...outcome(agreed) }
}

/** Source: the disk is given away. Once this is stored the source never writes again. Again: no change. */
export function release(ownership: Ownership, agreed: { root?: string | undefined } = {}): Ownership {
  if (ownership.state === 'released') return ownership
  const { migration } = ownership
  if (ownership.state !== 'owner' || !isUnderWay(ownership) || !migration) throw refused('release', ownership)
  return { ...bare(ownership), state: 'released', migration, ...outcome(agreed) }
}

/** Destination: the source said that it gave the disk away; from here on this side owns it. Again: no change. */
export function commit(ownership: Ownership): Ownership {
  const { state, migration } = ownership
  if (state === 'owner' && migration && !isUnderWay(ownership)) return ownership
  if (state !== 'prepared' || !migration) throw refused('commit', ownership)
  const { root, missing } = ownership
  return { ...bare(ownership), state: 'owner', epoch: migration.nextEpoch, migration, ...outcome({ root, missing }) }
}

/**
 * Destination: the blocks that were missing at the hand-over have all arrived and are flushed; {@link settle} follows once no digest is that of
 * something older than what is stored. Again: no change.
 */
export function complete(ownership: Ownership, agreed: { root?: string | undefined } = {}): Ownership {
  if (ownership.state !== 'owner') throw refused('complete', ownership)
  if (!ownership.missing) return ownership
  const root = agreed.root ?? ownership.root
  return {
    ...bare(ownership),
    ...kept(ownership),
    migration: ownership.migration!,
    ...outcome({ root }),
    settling: true,
  }
}

/** Destination: every digest is that of what is stored again. Again: no change. */
export function settle(ownership: Ownership): Ownership {
  const { settling, ...settled } = ownership
  return settling ? settled : ownership
}

/** Source: the destination owns the disk and needs nothing more from here. Again: no change. */
export function acknowledge(ownership: Ownership): Ownership {
  if (ownership.state === 'gone') return ownership
  if (ownership.state !== 'released') throw refused('acknowledge', ownership)
  return { ...ownership, state: 'gone' }
}

/**
 * The hand-over does not take place: a `prepared` destination goes on receiving, an owner drops the migration under way, and an owner without one
 * stays as it is. Refused once the disk was given away. A source that cancels waits for the answer, or for the end of the connection, before it
 * prepares again: an older cancel that comes later would take back a newer promise, and nobody would own the disk.
 */
export function cancel(ownership: Ownership): Ownership {
  const { state, migration } = ownership
  if (state === 'released' || state === 'gone') throw refused('cancel', ownership)
  if (state === 'prepared') return { ...bare(ownership), state: 'receiving', migration: migration! }
  if (state !== 'owner' || !isUnderWay(ownership)) return ownership
  return { ...bare(ownership), ...kept(ownership) }
}

/**
 * Makes this side the owner because somebody said so, without the word of the other: for a peer that is gone for good. The epoch is beyond what
 * the hand-over would have given, and the record says `forced`; should the other side live after all, {@link reconcile} finds the conflict. What is
 * missing will not come any more: {@link settle} follows, as after {@link complete}. An owner is one already, and refuses unless it lacks blocks.
 */
export function takeOver(ownership: Ownership): Ownership {
  const { state, epoch, migration, missing } = ownership
  if (state === 'owner' && !missing) throw refused('takeOver', ownership)
  return {
    ...bare(ownership),
    state: 'owner',
    epoch: state === 'owner' ? epoch : highestEpoch(ownership) + 1,
    ...(migration ? { migration } : {}),
    ...(missing ? { settling: true } : {}),
    forced: true,
  }
}

/** Whether the migration in the record has not ended: its next epoch has not come. */
export function isUnderWay({ epoch, migration }: Ownership): boolean {
  return migration !== undefined && migration.nextEpoch > epoch
}

/**
 * Says who owns a disk from the records of the two sides that talk now, `source` being the one that offers it; undefined: nothing is recorded at
 * the destination. Pure: the caller acts. The table is in the README beside it, and there is no pair for which both sides would go on as owners.
 */
export function reconcile(source: Ownership, destination: Ownership | undefined): Verdict {
  if (!destination || destination.diskId !== source.diskId) return source.state === 'owner' ? 'source-owns' : 'conflict'
  if (source.size !== destination.size) return 'conflict'
  const [ours, theirs] = [source.state === 'owner', destination.state === 'owner']
  if (ours && theirs) return 'conflict'
  // Whoever owns the disk has its latest epoch: an owner that meets a later one is an old copy that was started again.
  if (ours)
    return source.epoch < highestEpoch(destination) && !isTheirs(source, destination) ? 'conflict' : 'source-owns'
  if (theirs) return destination.epoch < highestEpoch(source) ? 'conflict' : 'destination-owns'
  const isOneMigration = source.migration !== undefined && source.migration.id === destination.migration?.id
  return isOneMigration && source.state === 'released' && destination.state === 'prepared' ? 'send-commit' : 'conflict'
}

/** Whether the destination waits within a migration that the source still runs: the later epoch is only promised. */
function isTheirs(source: Ownership, destination: Ownership): boolean {
  const isWaiting = destination.state === 'receiving' || destination.state === 'prepared'
  return isWaiting && destination.epoch === source.epoch
}

/** The latest epoch that somebody may own the disk with, as far as this record can tell. */
function highestEpoch({ epoch, state, migration }: Ownership): number {
  return state === 'owner' || state === 'receiving' || !migration ? epoch : Math.max(epoch, migration.nextEpoch)
}

/** What no transition changes. */
function bare({ diskId, epoch, state, size, blockSize, origin }: Ownership): Ownership {
  return { diskId, epoch, state, size, blockSize, ...(origin ? { origin } : {}) }
}

/** What an owner keeps while it owns. */
function kept({ forced, settling }: Ownership): Pick<Ownership, 'forced' | 'settling'> {
  return { ...(forced ? { forced } : {}), ...(settling ? { settling } : {}) }
}

function outcome({
  root,
  missing,
}: {
  root?: string | undefined
  missing?: boolean | undefined
}): Pick<Ownership, 'root' | 'missing'> {
  return { ...(root === undefined ? {} : { root }), ...(missing ? { missing: true } : {}) }
}

function refused(step: string, { state, epoch }: Ownership): StorageError {
  return new StorageError('NOT_OWNER', `"${step}" does not follow on "${state}" of epoch ${epoch}.`, {
    context: { step, state, epoch },
  })
}
