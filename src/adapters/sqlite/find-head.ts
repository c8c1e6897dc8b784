import { StorageError } from '../../errors/storage-error.ts'
import type { BlockHasher } from '../../storage/block-hasher.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { readFully } from '../../storage/sequential-reader.ts'
import { EMPTY_HEAD, type Head, type NumberedHead } from './head.ts'
import { readHeads } from './head-slots.ts'
import { JournalDigest } from './journal-digest.ts'
import { moved } from './moved.ts'

/** The head that counts. */
export interface FoundHead {
  readonly head: Head
  /** Of its journal. */
  readonly digest: JournalDigest
  readonly generation: number
  /** The highest number of any head found. */
  readonly latestGeneration: number
  /** It is to be written: it is on no slot as it is here. */
  readonly isNew: boolean
}

/** What is known besides what the disk says; as in `SqliteDiskOptions`. */
export interface WhoToBelieve {
  readonly origin?: StorageProvider
  readonly takeBack?: boolean
}

/**
 * The latest head whose journal is whole: one of which the journal is not was being flushed when everything stopped, and nothing relied on it yet.
 * @throws StorageError `CORRUPT`, `SIZE_MISMATCH`, `INCOMPATIBLE`, `NOT_OWNER`, `IN_DOUBT`
 */
export async function findHead(
  provider: StorageProvider,
  hasher: BlockHasher,
  asked: WhoToBelieve,
): Promise<FoundHead> {
  const { heads } = await readHeads(provider, hasher)
  const digest = new JournalDigest(hasher)
  const latestGeneration = heads[0]?.generation ?? 0
  if (heads.length === 0) return { head: EMPTY_HEAD, digest, generation: 0, latestGeneration, isNew: true }
  for (const head of heads) {
    if (!(await hasItsJournal(provider, head, digest))) continue
    const isNew = await isToBeTakenOver(head, hasher, asked)
    return {
      head: isNew ? { ...head, state: 'here' } : head,
      digest,
      generation: head.generation,
      latestGeneration,
      isNew,
    }
  }
  throw new StorageError('CORRUPT', 'No head of the disk has the journal that it speaks of.')
}

async function hasItsJournal(provider: StorageProvider, head: NumberedHead, digest: JournalDigest): Promise<boolean> {
  const { journal } = head
  if (!journal) {
    digest.clear()
    return true
  }
  await digest.load(journal.bytes, (target, offset) => readFully(provider, target, journal.start + offset))
  const found = digest.digest()
  return journal.digest.every((byte, index) => byte === found[index])
}

/** Whether a copy that arrived, or one that was about to leave, is the database from here on. */
async function isToBeTakenOver(
  head: NumberedHead,
  hasher: BlockHasher,
  { origin, takeBack = false }: WhoToBelieve,
): Promise<boolean> {
  if (head.state === 'here') return false
  if (head.state === 'away') {
    if (takeBack) return true
    throw moved()
  }
  if (head.state === 'arriving') {
    throw new StorageError('NOT_OWNER', 'Only a part of the database has arrived here; use it where it came from.')
  }
  if (!origin) {
    throw new StorageError('IN_DOUBT', 'The database was moving here; whether it has, the disk it came from must tell.')
  }
  const { heads } = await readHeads(origin, hasher)
  const said = heads[0]
  if (said?.state === 'away' && head.moveId.every((byte, index) => byte === said.moveId[index])) return true
  throw new StorageError('NOT_OWNER', 'The database was moving here and has not been given up where it came from.')
}
