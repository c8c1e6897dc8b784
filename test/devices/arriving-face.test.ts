import { expect, test } from 'vitest'
import { ArrivingFace } from '../../src/devices/arriving-face.ts'
import { OwnedFace } from '../../src/devices/owned-face.ts'
import { type Journal, journalBytes, openJournal } from '../../src/migration/journal/journal.ts'
import { commit, prepare, receive } from '../../src/migration/journal/ownership.ts'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'
import { settled } from '../support/virtual-clock.ts'

const BLOCK = 4096
const SIZE = 40 * BLOCK

test('a late copy of a block that the new owner has flushed leaves it told, so that a restart does not fetch it again', async () => {
  const place = new MemoryStorage(journalBytes(SIZE, BLOCK))
  const hasher = await createBlockHasher()
  const open = (): Promise<Journal> => openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId: 'one' })
  const journal = await open()
  const disk = { diskId: 'd'.repeat(32), size: SIZE, blockSize: BLOCK }
  const receiving = receive(undefined, disk, 1, { id: '1'.repeat(32), key: 'c'.repeat(32) })
  await journal.become(commit(prepare(receiving, { missing: true })))
  const storage = new MemoryStorage(SIZE)
  const cache = createWaitingCache(storage, BLOCK)
  const owned = new OwnedFace(cache, journal)
  const face = new ArrivingFace(cache, journal)
  face.admission = 'missing'

  await owned.writeAt(new Uint8Array(BLOCK).fill(1), 20 * BLOCK)
  await owned.flush()
  // Sent before the source heard of the write: with its neighbours, which are missing.
  await face.writeAt(new Uint8Array(3 * BLOCK).fill(2), 19 * BLOCK)
  await face.zeroAt(20 * BLOCK, 2 * BLOCK)
  await face.flush()

  const bytes = new Uint8Array(3 * BLOCK)
  storage.readAtSync(bytes, 19 * BLOCK)
  expect([bytes[0], bytes[BLOCK], bytes[2 * BLOCK]]).toEqual([2, 1, 2])
  const { known } = (await open()).digests
  expect([19, 20, 21, 22].map((block) => known.test(block))).toEqual([true, true, true, false])
})

/** A disk whose writes and flushes end when somebody says so. */
class HeldStorage extends StorageWrapper {
  readonly held: { readonly call: string; readonly go: () => void }[] = []

  override async writeAt(data: Uint8Array, offset: number): Promise<number> {
    await this.#hold(`write ${offset / BLOCK}`)
    return this.inner.writeAt(data, offset)
  }

  override async flush(): Promise<void> {
    await this.#hold('flush')
    await this.inner.flush()
  }

  async release(call: string): Promise<void> {
    const found = this.held.findIndex((held) => held.call === call)
    expect(found, call).toBeGreaterThanOrEqual(0)
    this.held.splice(found, 1)[0]!.go()
    await settled()
  }

  #hold(call: string): Promise<void> {
    return new Promise((go) => this.held.push({ call, go }))
  }
}

test('a late copy that lands while a flush tells what was written here does not put that in doubt', async () => {
  const place = new MemoryStorage(journalBytes(SIZE, BLOCK))
  const hasher = await createBlockHasher()
  const open = (bootId: string) => openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId })
  const journal = await open('one')
  const disk = { diskId: 'd'.repeat(32), size: SIZE, blockSize: BLOCK }
  const receiving = receive(undefined, disk, 1, { id: '1'.repeat(32), key: 'c'.repeat(32) })
  await journal.become(commit(prepare(receiving, { missing: true })))
  const storage = new HeldStorage(new MemoryStorage(SIZE))
  // Nothing but its two calls: a synchronous write could not be held.
  const { size } = storage
  const asynchronous: StorageProvider = {
    size,
    readAt: (target, offset) => storage.readAt(target, offset),
    writeAt: (data, offset) => storage.writeAt(data, offset),
    flush: () => storage.flush(),
    close: () => storage.close(),
    cancelWrites: () => {},
  }
  const cache = createWaitingCache(asynchronous, BLOCK)
  const owned = new OwnedFace(cache, journal)
  const face = new ArrivingFace(cache, journal)
  face.admission = 'missing'

  const written = owned.writeAt(new Uint8Array(BLOCK).fill(1), 20 * BLOCK)
  const arrived = face.writeAt(new Uint8Array(2 * BLOCK).fill(2), 19 * BLOCK)
  await settled()
  await storage.release('write 20')
  await written
  const flushed = owned.flush()
  await settled()
  await storage.release('flush')
  // It knows now what it covers.
  await storage.release('write 19')
  await arrived
  await storage.release('flush')
  await flushed
  const { digests } = await open('two')
  expect([19, 20].map((block) => digests.isKnown(block))).toEqual([false, true])
})
