import { expect, test } from 'vitest'
import { MemoryJournal } from '../../src/devices/disk-journal.ts'
import { OwnedFace } from '../../src/devices/owned-face.ts'
import type { CheckpointOptions } from '../../src/migration/journal/journal.ts'
import { commit, prepare, receive } from '../../src/migration/journal/ownership.ts'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { settled } from '../support/virtual-clock.ts'

const BLOCK = 4096
const SIZE = 8 * BLOCK

/** A journal whose checkpoints end when somebody says so. */
class SlowJournal extends MemoryJournal {
  readonly ends: { ok: () => void; fail: (reason: unknown) => void }[] = []

  override async checkpoint({ flush }: CheckpointOptions = {}): Promise<void> {
    await flush?.()
    await new Promise<void>((ok, fail) => this.ends.push({ ok, fail }))
  }
}

async function owner() {
  const journal = new SlowJournal(new BlockDigests(SIZE, BLOCK, await createBlockHasher()))
  const disk = { diskId: 'd'.repeat(32), size: SIZE, blockSize: BLOCK }
  const receiving = receive(undefined, disk, 1, { id: '1'.repeat(32), key: 'c'.repeat(32) })
  await journal.become(commit(prepare(receiving, { missing: true })))
  const face = new OwnedFace(createWaitingCache(new MemoryStorage(SIZE), BLOCK), journal)
  await face.writeAt(new Uint8Array(BLOCK).fill(1), BLOCK)
  return { journal, face }
}

/** How a flush stands. */
function watched(flush: Promise<void>): { state: string } {
  const watch = { state: 'waits' }
  flush.then(
    () => (watch.state = 'done'),
    () => (watch.state = 'failed'),
  )
  return watch
}

test('a flush does not end before the journal knows what another flush is telling it', async () => {
  const { journal, face } = await owner()
  const [one, other] = [watched(face.flush()), watched(face.flush())]
  await settled()
  expect([one.state, other.state]).toEqual(['waits', 'waits'])
  journal.ends[0]!.ok()
  await settled()
  expect([one.state, other.state]).toEqual(['done', 'done'])
  await face.flush()
})

test('a flush fails with the one that tells the journal what it relies on, and the next one tells it again', async () => {
  const { journal, face } = await owner()
  const [one, other] = [watched(face.flush()), watched(face.flush())]
  await settled()
  journal.ends[0]!.fail(new Error('no'))
  await settled()
  expect([one.state, other.state]).toEqual(['failed', 'failed'])
  const again = watched(face.flush())
  await settled()
  expect(again.state).toBe('waits')
  journal.ends[1]!.ok()
  await settled()
  expect(again.state).toBe('done')
})
