import { beforeEach, expect, test } from 'vitest'
import { ArrivingFace } from '../../src/devices/arriving-face.ts'
import { MemoryJournal } from '../../src/devices/disk-journal.ts'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { settled } from '../support/virtual-clock.ts'

const BLOCK = 4096
const SIZE = 4 * BLOCK

/** Has forgotten when somebody says so. */
class SlowJournal extends MemoryJournal {
  readonly waiting: (() => void)[] = []

  override async forget(start: number, count: number): Promise<void> {
    await super.forget(start, count)
    await new Promise<void>((go) => this.waiting.push(go))
  }

  override async forgetBlocks(blocks: Parameters<MemoryJournal['forgetBlocks']>[0]): Promise<void> {
    await super.forgetBlocks(blocks)
    await new Promise<void>((go) => this.waiting.push(go))
  }
}

let storage: MemoryStorage
let journal: SlowJournal
let face: ArrivingFace

beforeEach(async () => {
  storage = new MemoryStorage(SIZE)
  journal = new SlowJournal(new BlockDigests(SIZE, BLOCK, await createBlockHasher()))
  face = new ArrivingFace(createWaitingCache(storage, BLOCK), journal)
  face.admission = 'open'
  await write(1)
})

const write = (value: number) => face.writeAt(new Uint8Array(BLOCK).fill(value), BLOCK)
const stored = () => {
  const byte = new Uint8Array(1)
  storage.readAtSync(byte, BLOCK)
  return byte[0]
}

test('a known block is replaced once the journal has forgotten it', async () => {
  const writing = write(2)
  await settled()
  expect([stored(), journal.digests.isKnown(1)]).toEqual([1, false])
  journal.waiting.shift()!()
  await writing
  expect([stored(), journal.digests.isKnown(1)]).toEqual([2, true])
})

test('a void block is forgotten, and nothing is stored before', async () => {
  const told = face.invalidate(Uint32Array.of(1))
  await settled()
  expect([journal.digests.isKnown(1), journal.waiting.length]).toEqual([false, 1])
  const writing = write(2)
  await settled()
  expect(stored()).toBe(1)
  journal.waiting.shift()!()
  await Promise.all([told, writing])
  expect([stored(), journal.digests.isKnown(1)]).toEqual([2, true])
})
