import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { SendingDisk } from '../../src/devices/sending-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

/**
 * The new owner writes and flushes before everything is here, and dies before its n-th storage call from then on: while the rest comes, while it
 * records that nothing is missing, or while it forgets what it has written. False when it was through before that.
 */
async function dieBeforeCall(call: number): Promise<boolean> {
  const machines = new TwoMachines(seededRandom(call), 24)
  await machines.bootSource()
  machines.bootDestination()
  const bytes = new Uint8Array(BLOCK).fill(0xab)
  const offset = 20 * BLOCK + 10
  let writing: Promise<void> | undefined
  let isDead = false
  const progressHandler = () => {
    if (!machines.destinationIsOpen || writing) return
    writing = (async () => {
      const { disk } = machines.arriving
      await disk.writeAt(bytes, offset)
      await disk.flush()
      machines.shadow.writeAtSync(bytes, offset)
      machines.far.life.beforeCall(call, () => {
        isDead = true
        machines.far.die()
      })
    })()
  }
  const options = { strategy: 'post-copy', progressHandler, progressIntervalMs: 0, runBytes: 2 * BLOCK } as const
  const connection = await machines.connect()
  void machines.far.death.then(() => connection.far.rw.abort(new Error('killed')))
  const { destination } = await machines.move(connection, options)
  if (!isDead && destination.status === 'fulfilled') await Promise.race([machines.arriving.whole, machines.far.death])
  await writing
  if (!isDead) return false
  machines.bootDestination()
  await machines.reopenDestination()
  await machines.move(await machines.connect(), { strategy: 'post-copy' })
  await machines.arriving.whole
  expect(machines.arriving.cache.missingBlocks).toBe(0)
  expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK), `call ${call}`).toMatchObject({ bytes: 0 })
  // What is known is what is stored: a disk that moves on relies on it.
  const { digests } = machines.arriving.journal
  expect(machines.arriving.journal.ownership?.settling).toBeUndefined()
  const known = digests.known.clone()
  const told = Array.from({ length: digests.blockCount }, (_, block) => digests.digestAt(block)?.slice())
  for (let block = known.nextSet(0); block >= 0; block = known.nextSet(block + 1)) {
    const content = new Uint8Array(Math.min(BLOCK, machines.far.disk.size - block * BLOCK))
    await machines.far.disk.readAt(content, block * BLOCK)
    digests.note(block, content)
    expect(digests.digestAt(block), `call ${call}, block ${block}`).toEqual(told[block])
  }
  known.free()
  return true
}

test('a new owner that dies before any storage call around its last block keeps what it had flushed', {
  timeout: 60_000,
}, async () => {
  let call = 1
  for (; await dieBeforeCall(call); call++) expect(call).toBeLessThan(200)
  expect(call).toBeGreaterThan(8)
})

/** Reads half of one block. */
class ShortReads extends StorageWrapper {
  block = -1
  reads = 0

  override readAt(target: Uint8Array, offset: number): Promise<number> {
    const isShort = offset === this.block * BLOCK
    if (isShort) this.reads++
    return this.inner.readAt(isShort ? target.subarray(0, BLOCK / 2) : target, offset)
  }
}

test('a source that reads too little for the root of the whole disk says so, and claims no digest', async () => {
  const machines = new TwoMachines(seededRandom(1))
  const disk = new ShortReads(machines.near.storage())
  const journal = await machines.near.journal()
  machines.tracker = createDirtyTracker(disk, BLOCK)
  machines.sending = await SendingDisk.open({ source: machines.tracker.remote, journal })
  machines.bootDestination()
  let writing: Promise<unknown> | undefined
  const progressHandler = () => {
    // A block that was written over there does not come, and is read for the root only.
    if (machines.destinationIsOpen)
      writing ??= machines.arriving.disk.writeAt(new Uint8Array(BLOCK).fill(1), 250 * BLOCK)
    if (machines.arriving.cache.missingBlocks < 20) disk.block = 250
  }
  const options = { strategy: 'post-copy', progressHandler, progressIntervalMs: 0, runBytes: 2 * BLOCK } as const
  const { source } = await machines.move(await machines.connect(), options)
  await writing
  expect(source).toMatchObject({ status: 'rejected', reason: { code: 'SHORT_READ' } })
  expect(disk.reads).toBe(1)
  disk.block = -1
  const again = await machines.move(await machines.connect(), options)
  expect(again.source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
})
