import type { Random } from '../../../src/async/random.ts'
import { type Journal, type JournalOptions, journalBytes, openJournal } from '../../../src/migration/journal/journal.ts'
import * as own from '../../../src/migration/journal/ownership.ts'
import { writeFully } from '../../../src/migration/journal/record-slots.ts'
import { createWriteIntents } from '../../../src/migration/journal/write-intents.ts'
import { createDirtyTracker } from '../../../src/modules/dirty-tracker.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { PAGE_BLOCKS } from '../../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { readFully } from '../../../src/storage/sequential-reader.ts'
import type { CrashWorld, Wreck } from '../../support/crash-world.ts'

const hasher = await createBlockHasher()
export const BLOCK = 512
/** One page, and a second one that is short. */
export const BLOCKS = PAGE_BLOCKS + 70
export const SIZE = BLOCKS * BLOCK - 100
export const JOURNAL_BYTES = journalBytes(SIZE, BLOCK)

const disk = { diskId: 'd'.repeat(32), size: SIZE, blockSize: BLOCK }
const migration = { id: 'a'.repeat(32), key: 'b'.repeat(32) }

/** The four storages of a migration, by what they hold. */
export type Place = 'source' | 'source journal' | 'destination' | 'destination journal'

/** A state that a journal was told to store. */
export interface Told {
  readonly side: 'source' | 'destination'
  readonly ownership: own.Ownership
  /** Events before the call, and before it was through. */
  readonly from: number
  readonly until: number
}

export function open(place: StorageProvider, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return openJournal(place, {
    size: SIZE,
    blockSize: BLOCK,
    hasher,
    bootId: 'this',
    life: new Uint8Array(8).fill(1),
    ...options,
  })
}

/**
 * A whole migration over nothing but storages: sends in random order with holes, a writer all the while, dirty rounds that forget before they
 * replace, checkpoints with and without a flush, then prepare, release, commit and acknowledge. `storage` makes the storages; `now` counts events;
 * `told` is filled while it runs.
 */
export async function migrate(
  storage: (name: Place, content: number | Uint8Array) => StorageProvider,
  random: Random,
  now: () => number = () => 0,
  told: Told[] = [],
): Promise<Told[]> {
  const any = (below: number) => Math.floor(random() * below)
  const before = new Uint8Array(SIZE)
  for (let block = 0; block < BLOCKS; block++)
    if (random() < 0.5) before.fill(1 + any(200), block * BLOCK, (block + 1) * BLOCK)
  const from = storage('source', before)
  const to = storage('destination', SIZE)
  const there = await open(storage('destination journal', JOURNAL_BYTES))
  const here = await open(storage('source journal', JOURNAL_BYTES))
  const become = async (side: 'source' | 'destination', ownership: own.Ownership, flush?: () => Promise<void>) => {
    const start = now()
    const entry = { side, ownership, from: start, until: Number.POSITIVE_INFINITY }
    told.push(entry)
    const journal = side === 'source' ? here : there
    if (flush) await journal.checkpoint({ flush, ownership })
    else await journal.become(ownership)
    entry.until = now()
  }
  const { local, remote } = createDirtyTracker(from, BLOCK, createWriteIntents(here))
  const write = (face: StorageProvider) => {
    const offset = any(SIZE)
    const bytes = new Uint8Array(Math.min(1 + any(2 * BLOCK), SIZE - offset)).fill(random() < 0.2 ? 0 : any(256))
    return writeFully(face, bytes, offset)
  }
  /** Reads a run, stores it there, and notes it on both sides. What is known there was forgotten before. */
  const send = async (start: number, count: number) => {
    const bytes = new Uint8Array(Math.min(count * BLOCK, SIZE - start * BLOCK))
    await readFully(remote, bytes, start * BLOCK)
    await writeFully(to, bytes, start * BLOCK)
    for (const { digests } of [there, here]) digests.note(start, bytes)
  }
  const sendAll = async (runs: readonly (readonly [number, number])[]) => {
    for (const [start, count] of runs) await send(start, count)
  }

  await become('source', own.ownDisk(disk))
  await become('source', own.begin(here.ownership!, migration))
  await become('destination', own.receive(undefined, disk, 1, migration))
  for (const start of shuffled(random)) {
    const work = [send(start, Math.min(RUN, BLOCKS - start))]
    if (random() < 0.4) work.push(write(local))
    await all(work)
    const chance = random()
    if (chance < 0.15) await there.checkpoint()
    else if (chance < 0.3) await there.checkpoint({ flush: () => to.flush() })
    else if (chance < 0.45) await here.checkpoint()
  }
  for (let round = 0; round < 2; round++) {
    if (round === 1) await local.lock()
    const dirty = remote.sync()
    await there.forgetBlocks(dirty)
    const runs: [number, number][] = []
    dirty.forEachRun((start, count) => runs.push([start, count]), 4)
    dirty.free()
    const writer = round === 0 ? [write(local), write(local), write(local)] : []
    await all([...writer, sendAll(runs)])
    await all([here.checkpoint(), there.checkpoint()])
  }
  const root = there.digests.root() ? 'e'.repeat(32) : undefined
  await become('destination', own.prepare(there.ownership!, { root }), () => to.flush())
  await become('source', own.release(here.ownership!, { root }))
  await become('destination', own.commit(there.ownership!))
  await become('source', own.acknowledge(here.ownership!))
  // The new owner writes, with intents of its own.
  const arrived = createDirtyTracker(to, BLOCK, createWriteIntents(there)).local
  for (let count = 0; count < 4; count++) await write(arrived)
  here.free()
  there.free()
  return told
}

const RUN = 24

/** Waits for all of them, also after a failure: nothing goes on behind the back of a run that has ended. */
async function all(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((end) => end.status === 'rejected')
  if (failed) throw failed.reason
}

function shuffled(random: Random): number[] {
  const starts = Array.from({ length: Math.ceil(BLOCKS / RUN) }, (_, index) => index * RUN)
  for (let index = starts.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1))
    ;[starts[index], starts[other]] = [starts[other]!, starts[index]!]
  }
  return starts
}

/** What a journal says after a crash, and which of its digests are not those of what the disk holds. */
export interface Recovered {
  readonly ownership: own.Ownership | undefined
  readonly known: number
  readonly wrong: number[]
}

/** Opens the journal of one side of a wreck and compares all it knows with the disk. */
export async function recover(
  { images }: Wreck,
  side: 'source' | 'destination',
  options: Partial<JournalOptions>,
  world?: CrashWorld,
): Promise<Recovered> {
  const bytes = images.get(side)!
  const journalImage = images.get(`${side} journal`)!
  const place = world ? world.storage(`${side} journal`, journalImage) : new MemoryStorage(JOURNAL_BYTES)
  if (!world) await place.writeAt(journalImage, 0)
  const journal = await open(place, options)
  const wrong: number[] = []
  const { known } = journal.digests
  for (let block = known.nextSet(0); block >= 0; block = known.nextSet(block + 1)) {
    const content = bytes.subarray(block * BLOCK, Math.min((block + 1) * BLOCK, SIZE))
    const digest = content.every((byte) => byte === 0) ? new Uint8Array(16) : hasher.hash(content)
    if (Buffer.compare(digest, journal.digests.digestAt(block)!) !== 0) wrong.push(block)
  }
  const found = { ownership: journal.ownership, known: journal.digests.knownBlocks, wrong }
  journal.free()
  if (!world) await place.close()
  return found
}
