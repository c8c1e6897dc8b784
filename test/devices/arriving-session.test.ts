import { beforeEach, describe, expect, test } from 'vitest'
import { ArrivingFace } from '../../src/devices/arriving-face.ts'
import { ArrivingSession } from '../../src/devices/arriving-session.ts'
import { MemoryJournal } from '../../src/devices/disk-journal.ts'
import { createWaitingCache, type WaitingCache } from '../../src/modules/waiting-cache.ts'
import type { Connection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { settled } from '../support/virtual-clock.ts'

const BLOCK = 4096
const BLOCKS = 4
const SIZE = BLOCKS * BLOCK
const ID = new Uint8Array(16).fill(1)

/** Writes end when somebody says so. */
class HeldWrites {
  readonly storage = new MemoryStorage(SIZE)
  readonly held: (() => void)[] = []
  isHolding = false

  /** Only its asynchronous calls: a synchronous write could not be held. */
  get provider(): StorageProvider {
    const { storage } = this
    return {
      size: SIZE,
      readAt: (target, offset) => storage.readAt(target, offset),
      writeAt: async (data, offset) => {
        if (this.isHolding) await new Promise<void>((go) => this.held.push(go))
        return storage.writeAt(data, offset)
      },
      flush: () => storage.flush(),
      close: () => storage.close(),
      cancelWrites: () => {},
    }
  }
}

let disk: HeldWrites
let cache: WaitingCache
let journal: MemoryJournal
let face: ArrivingFace
let session: ArrivingSession
let completed: number
let events: string[]

beforeEach(async () => {
  disk = new HeldWrites()
  cache = createWaitingCache(disk.provider, BLOCK)
  journal = new MemoryJournal(new BlockDigests(SIZE, BLOCK, await createBlockHasher()))
  face = new ArrivingFace(cache, journal)
  completed = 0
  events = []
  let turn: Promise<unknown> = Promise.resolve()
  session = new ArrivingSession(
    {
      info: { name: 'disk', size: SIZE, blockSize: BLOCK },
      journal,
      cache,
      isOwner: false,
      inTurn: (work) => {
        const done = turn.then(work)
        turn = done.catch(() => {})
        return done
      },
      voidAll: () => void events.push('void'),
      own: () => void events.push(`own as ${journal.ownership!.state}`),
      stop: () => {},
      complete: async () => {
        completed++
      },
      finish: () => {},
    },
    { session: ID } as unknown as Connection,
    face,
  )
})

const begin = (mayBeIncomplete = false) =>
  session.begin({
    kind: 'begin',
    isReleased: false,
    mayBeIncomplete,
    diskId: ID,
    epoch: 1,
    migrationId: ID,
    token: { type: 'key', key: ID },
  })
const prepare = (missingBlocks = 0) =>
  session.prepare({ kind: 'prepare', epoch: 2, missingBlocks, root: missingBlocks > 0 ? undefined : root(7) })
const write = (value: number, blocks = BLOCKS) => face.writeAt(new Uint8Array(blocks * BLOCK).fill(value), 0)

/** Of a disk that holds one value everywhere. */
function root(value: number): Uint8Array {
  const digests = new BlockDigests(SIZE, BLOCK, journal.digests.hasher)
  digests.note(0, new Uint8Array(SIZE).fill(value))
  return digests.root()!
}

/** Whether a promise has come to its end by now. */
async function isOver(promise: Promise<unknown>): Promise<boolean> {
  let over = false
  promise.then(
    () => {
      over = true
    },
    () => {
      over = true
    },
  )
  await settled()
  return over
}

describe('a destination that is asked to prepare', () => {
  test('waits for what is being stored, and takes nothing from then on', async () => {
    await begin()
    await write(6)
    disk.isHolding = true
    const writing = write(7)
    await settled()
    const prepared = prepare()
    expect(await isOver(prepared)).toBe(false)
    await expect(write(8)).rejects.toMatchObject({ code: 'LOCKED' })
    disk.isHolding = false
    for (const go of disk.held.splice(0)) go()
    await writing
    expect(await prepared).toEqual(root(7))
    await expect(write(8)).rejects.toMatchObject({ code: 'LOCKED' })
    expect(journal.ownership).toMatchObject({ state: 'prepared' })
  })

  test('refuses when it lacks more than it is told to expect, and takes blocks again', async () => {
    await begin(true)
    await write(7, 2)
    await expect(prepare(1)).rejects.toMatchObject({ code: 'VERIFY_FAILED' })
    expect(journal.ownership).toMatchObject({ state: 'receiving' })
    await write(7, 3)
    expect(await prepare(1)).toBeUndefined()
    expect(journal.ownership).toMatchObject({ state: 'prepared', missing: true })
  })

  test('takes blocks again once that is cancelled', async () => {
    await begin()
    await write(7)
    await prepare()
    await session.cancel(2)
    await write(7)
    expect(await prepare()).toEqual(root(7))
  })
})

test('a destination that owns the disk takes what is missing, and is not complete before', async () => {
  await begin(true)
  await write(7, 3)
  await prepare(1)
  await session.commit(2)
  await expect(session.complete(root(7))).rejects.toMatchObject({ code: 'VERIFY_FAILED' })
  await write(7)
  await session.complete(root(7))
  expect(completed).toBe(1)
})

test('what a destination has counts as missing whenever a source begins, and it owns the disk once that is stored', async () => {
  await begin()
  expect(events).toEqual(['void'])
  await write(7)
  await prepare()
  await session.commit(2)
  expect(events).toEqual(['void', 'own as owner'])
})

test('what ends of several writes does not end the wait for the others', async () => {
  await begin()
  disk.isHolding = true
  const writes = [write(1, 1), face.writeAt(new Uint8Array(BLOCK).fill(2), 2 * BLOCK)]
  await settled()
  const idle = face.idle()
  disk.held.shift()!()
  expect(await isOver(writes[0]!)).toBe(true)
  expect(await isOver(idle)).toBe(false)
  disk.held.shift()!()
  await idle
})
