import { describe, expect, test } from 'vitest'
import { ArrivingFace } from '../../src/devices/arriving-face.ts'
import { type Journal, journalBytes, openJournal } from '../../src/migration/journal/journal.ts'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { FlakyStorage, type Operation } from '../support/flaky-storage.ts'
import { settled } from '../support/virtual-clock.ts'

const BLOCK = 4096
const SIZE = 40 * BLOCK
const bytes = (value: number) => new Uint8Array(BLOCK).fill(value)

/** An arriving disk whose first two blocks are known, and told; what a kill leaves is what `reopened` finds. */
async function arriving() {
  const place = new FlakyStorage(new MemoryStorage(journalBytes(SIZE, BLOCK)))
  const hasher = await createBlockHasher()
  const open = (): Promise<Journal> => openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId: 'one' })
  const journal = await open()
  const face = new ArrivingFace(createWaitingCache(new MemoryStorage(SIZE), BLOCK), journal)
  face.admission = 'open'
  await face.writeAt(bytes(1), 0)
  await face.writeAt(bytes(1), BLOCK)
  await face.flush()
  const failOnce = (operation: Operation) => {
    const { calls } = place
    const next = calls[operation] + 1
    place.plan = (call) => (call.operation === operation && call.number === next ? {} : undefined)
  }
  const reopened = async () => (await open()).digests
  return { journal, place, face, failOnce, reopened }
}

describe.each<Operation>(['write', 'flush'])(
  'a %s of the journal that fails when a block is to be forgotten',
  (call) => {
    test('is repeated before the block is stored', async () => {
      const { face, place, failOnce, reopened } = await arriving()
      expect((await reopened()).isKnown(0)).toBe(true)
      failOnce(call)
      const flushes = place.calls.flush
      await expect(face.writeAt(bytes(2), 0)).rejects.toMatchObject({ code: `${call.toUpperCase()}_FAILED` })
      await face.writeAt(bytes(2), 0)
      expect(place.calls.flush - flushes).toBe(call === 'flush' ? 2 : 1)
      expect((await reopened()).isKnown(0)).toBe(false)
    })

    test('is repeated before a voided block is stored', async () => {
      const { face, failOnce, reopened } = await arriving()
      failOnce(call)
      await expect(face.invalidate(Uint32Array.of(1))).rejects.toMatchObject({ code: `${call.toUpperCase()}_FAILED` })
      await face.writeAt(bytes(2), BLOCK)
      expect((await reopened()).isKnown(1)).toBe(false)
    })
  },
)

test('a block that is being forgotten is not stored by anybody before that is durable', async () => {
  const { face, place, journal, reopened } = await arriving()
  const flush = place.flush.bind(place)
  let go = () => {}
  const held = new Promise<void>((resolve) => {
    go = resolve
  })
  place.flush = () => held.then(flush)
  const both = [face.writeAt(bytes(2), 0), face.writeAt(bytes(3), 0)]
  await settled()
  expect(journal.digests.isKnown(0)).toBe(false)
  go()
  await Promise.all(both)
  expect((await reopened()).isKnown(0)).toBe(false)
})

test('blocks that are forgotten while another is are forgotten together', async () => {
  const { journal, place } = await arriving()
  const before = place.calls.flush
  await Promise.all([0, 1, 0, 1].map((block) => journal.forget(block, 1)))
  expect(place.calls.flush - before).toBe(1)
})
