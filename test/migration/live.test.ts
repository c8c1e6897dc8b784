import { afterEach, describe, expect, it } from 'vitest'
import { ROUNDS } from '../../src/migration/limits.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { digestText } from '../../src/storage/hash-tree.ts'
import { rootHash } from '../../src/storage/root-hash.ts'
import { FlakyStorage, onBlocks, onCalls } from '../support/flaky-storage.ts'
import { expectUsable, migrationRig, type Rig, WAYS } from '../support/migration-rig.ts'

let rig: Rig
afterEach(() => rig.close())

/** Writes without end, a block every `everyMs`, until stopped. */
function writer({ local, clock, random, remote }: Rig, everyMs: number) {
  let running = true
  const run = async () => {
    for (let turn = 1; running; turn++) {
      const data = new Uint8Array(200).fill(turn)
      await local.writeAt(data, Math.floor(random() * (remote.size - data.length)))
      await clock.sleep(everyMs)
    }
  }
  const ended = run()
  return {
    stop: () => {
      running = false
      local.unlock()
      return ended
    },
  }
}

describe.each(WAYS)('migrateLive, %s:', (way) => {
  it('ends with both sides equal, the source locked, and the root of both', async () => {
    rig = migrationRig({ way })
    const writing = writer(rig, 3)
    const result = await migrateLive(rig.live({ maxRounds: 3 }))
    expect(rig.differing()).toEqual([])
    expect(rig.local.state).toBe('locked')
    const copy = new MemoryStorage(rig.remote.size)
    await copy.writeAt(rig.destinationBytes(), 0)
    expect(digestText(result.root!)).toBe(digestText(await rootHash(copy, { blockSize: rig.blockSize })))
    expect(result.rounds).toBeGreaterThan(0)
    expect(result.blocksMoved).toBe(rig.blocks + result.blocksDirtied)
    expect(result.blocksRepaired).toBe(0)
    expect(result.durationMs).toBeGreaterThanOrEqual(result.pauseMs)
    await copy.close()
    await writing.stop()
  })

  it('flushes before it verifies, and flushes what the last round wrote before the hand-over', async () => {
    rig = migrationRig({ way })
    const events: string[] = []
    rig.destination.plan = ({ operation }) => {
      if (operation !== 'extents' && events.at(-1) !== operation) events.push(operation)
      return undefined
    }
    await migrateLive(rig.live({ handOver: () => void events.push('hand over') }))
    const writes = (event: string) => event === 'write' || event === 'zero'
    const lastWrite = events.findLastIndex(writes)
    expect(events.indexOf('flush')).toBeGreaterThan(lastWrite)
    expect(events.indexOf('read')).toBeGreaterThan(events.indexOf('flush'))
    expect(events.at(-1)).toBe('hand over')
    expect(events.filter((event) => event === 'flush').length).toBe(2)
  })

  it('does not verify or give a root when told not to', async () => {
    rig = migrationRig({ way })
    const { root } = await migrateLive(rig.live({ verify: 'none' }))
    expect(root).toBeUndefined()
    expect(rig.destination.calls.read).toBe(0)
    expect(rig.differing()).toEqual([])
  })

  it('keeps the root without reading back when told to', async () => {
    rig = migrationRig({ way })
    const roots: unknown[] = []
    const { root } = await migrateLive(rig.live({ verify: 'root', handOver: ({ root }) => void roots.push(root) }))
    expect(rig.destination.calls.read).toBe(0)
    const copy = new MemoryStorage(rig.remote.size)
    await copy.writeAt(rig.destinationBytes(), 0)
    expect(digestText(root!)).toBe(digestText(await rootHash(copy, { blockSize: rig.blockSize })))
    expect(roots).toEqual([root])
    await copy.close()
  })

  it('repairs, once, what the destination has stored wrong and acknowledged', async () => {
    rig = migrationRig({ way, content: new Uint8Array(21 * 512).fill(4) })
    rig.destination.plan = onCalls('write', { from: 2, times: 2 }, { how: 'corrupt' })
    const result = await migrateLive(rig.live())
    expect(result.blocksRepaired).toBe(2)
    expect(result.blocksDirtied).toBe(0)
    expect(rig.differing()).toEqual([])
  })

  it('repairs what is wrong in the short last block', async () => {
    rig = migrationRig({ way, content: new Uint8Array(20 * 512 + 1).fill(4) })
    rig.destination.plan = onBlocks('write', { blocks: [20], blockSize: 512, times: 1 }, { how: 'corrupt' })
    // Alone in its run, so that the damaged byte is the only one it has.
    expect((await migrateLive(rig.live({ runBytes: 512 }))).blocksRepaired).toBe(1)
    expect(rig.differing()).toEqual([])
  })

  it('fails with VERIFY_FAILED when the destination goes on storing something else', async () => {
    rig = migrationRig({ way, content: new Uint8Array(21 * 512).fill(4) })
    rig.destination.plan = onBlocks('write', { blocks: [9], blockSize: 512 }, { how: 'corrupt' })
    const error = await migrateLive(rig.live({ runBytes: 512 })).catch((error) => error)
    expect(error).toMatchObject({ code: 'VERIFY_FAILED', context: { blocks: 1, firstBlock: 9 } })
    await expectUsable(rig)
  })

  it('notices zeroes that were not stored', async () => {
    rig = migrationRig({ way, content: new Uint8Array(21 * 512) })
    await rig.destination.writeAt(new Uint8Array(21 * 512).fill(0xee), 0)
    // A destination said to be fresh that is not.
    const result = await migrateLive(rig.live({ freshDestination: true }))
    expect(result.blocksRepaired).toBe(21)
    expect(rig.differing()).toEqual([])
  })

  it('notices what the destination lost after it was verified only if it is sent again', async () => {
    // Verified once, a block is not read a second time: what was checked while the writer ran need not be checked while it waits.
    rig = migrationRig({ way })
    await migrateLive(rig.live())
    expect(rig.destination.calls.read).toBeLessThanOrEqual(rig.blocks)
  })

  it('notices data that a sparse destination acknowledged and lost, behind a real hole', async () => {
    const content = new Uint8Array(8 << 20).fill(1)
    content.fill(0, 0, 2 << 20)
    rig = migrationRig({ way, blockSize: 65536, content })
    const disk = new MemoryStorage(8 << 20, { sparse: true })
    const destination = new FlakyStorage(disk, onCalls('write', { times: 24 }, { how: 'lose' }))
    const { blocksRepaired } = await migrateLive(rig.live({ destination, freshDestination: true }))
    const copy = new Uint8Array(8 << 20)
    await disk.readAt(copy, 0)
    expect(Buffer.compare(copy, content)).toBe(0)
    expect(blocksRepaired).toBe(96)
    await disk.close()
  })

  it('fails when reading back fails, and the source goes on', async () => {
    rig = migrationRig({ way })
    rig.destination.plan = onCalls('read', {})
    await expect(migrateLive(rig.live())).rejects.toMatchObject({ code: 'READ_FAILED' })
    await expectUsable(rig)
  })

  it('reports that it does not converge, and leaves the source running', async () => {
    rig = migrationRig({ way, size: 60 * 512 })
    const writing = writer(rig, 0.1)
    for (const maxRounds of [0, 1, 4]) {
      rig.destination.calls.flush = 0
      const error = await migrateLive(rig.live({ maxRounds, maxPauseMs: 0.001, targetPauseMs: 0 })).catch(
        (error) => error,
      )
      expect(error).toMatchObject({ code: 'DID_NOT_CONVERGE', context: { rounds: maxRounds, maxPauseMs: 0.001 } })
      expect(error.context.predictedPauseMs).toBeGreaterThan(0.001)
      expect(rig.local.state).toBe('open')
    }
    await writing.stop()
    await expectUsable(rig)
  })

  it('ends at any dirty rate when a pause of any length is allowed', async () => {
    rig = migrationRig({ way, size: 60 * 512 })
    const writing = writer(rig, 0.1)
    const result = await migrateLive(rig.live())
    expect(result.rounds).toBeLessThanOrEqual(ROUNDS + 1)
    expect(rig.differing()).toEqual([])
    await writing.stop()
  })

  it('does not lock while more rounds still shorten the pause', async () => {
    rig = migrationRig({ way: 'asynchronous', size: 60 * 512, slowMs: 10 })
    const writing = writer(rig, 4)
    const few = await migrateLive(rig.live({ maxRounds: 0 }))
    await writing.stop()
    await rig.close()
    rig = migrationRig({ way: 'asynchronous', size: 60 * 512, slowMs: 10 })
    const again = writer(rig, 4)
    const many = await migrateLive(rig.live())
    expect(many.rounds).toBeGreaterThan(few.rounds)
    expect(many.pauseMs).toBeLessThan(few.pauseMs)
    await again.stop()
  })

  it('unlocks and goes on when more was written before the lock than expected', async () => {
    rig = migrationRig({ way: 'asynchronous', size: 60 * 512 })
    const lock = rig.remote.lock!.bind(rig.remote)
    let locks = 0
    const states: string[] = []
    rig.destination.plan = ({ operation }) => {
      if (operation === 'flush') states.push(rig.local.state)
      return undefined
    }
    const lockerHandler = async () => {
      // What lands between the decision and the lock.
      if (locks++ === 0) await rig.local.writeAt(new Uint8Array(50 * 512).fill(9), 0)
      await lock()
    }
    const options = rig.live({
      lockerHandler,
      unlockerHandler: () => rig.remote.unlock!(),
      maxPauseMs: 8,
      verify: 'none',
    })
    await migrateLive(options)
    expect(locks).toBe(2)
    // After the pass, after the round in between, after the last one.
    expect(states).toEqual(['open', 'open', 'locked'])
    expect(rig.differing()).toEqual([])
  })

  it('leaves blocks alone that the order left out, unless they are written', async () => {
    rig = migrationRig({ way, content: new Uint8Array(20 * 512).fill(4) })
    const { order } = rig
    for (const block of [3, 7, 11]) order.remove(block)
    const flush = rig.destination.flush.bind(rig.destination)
    let flushes = 0
    rig.destination.flush = async () => {
      if (flushes++ === 0) await rig.local.writeAt(new Uint8Array(10).fill(5), 7 * 512)
      await flush()
    }
    const { root, blocksMoved, blocksDirtied } = await migrateLive(rig.live({ order }))
    expect(rig.differing()).toEqual([3, 11])
    expect([root, blocksMoved, blocksDirtied]).toEqual([undefined, 18, 1])
    await expectUsableAgain(rig)
  })

  it('sends blocks left out that are written while the first ones are on the way', async () => {
    rig = migrationRig({ way, content: new Uint8Array(20 * 512).fill(4) })
    rig.order.remove(19)
    rig.destination.plan = ({ operation, number }) => {
      if (operation === 'write' && number === 1) void rig.local.writeAt(new Uint8Array(10).fill(5), 19 * 512)
      return undefined
    }
    await migrateLive(rig.live({ order: rig.order }))
    expect(rig.differing()).toEqual([])
  })

  it('refuses a second migration of the source with BUSY, and the first one ends well', async () => {
    rig = migrationRig({ way, size: 200 * 512 })
    const other = new MemoryStorage(rig.remote.size)
    const first = migrateLive(rig.live())
    await rig.clock.sleep(1)
    await expect(migrateLive(rig.live({ destination: other }))).rejects.toMatchObject({ code: 'BUSY' })
    const migrator = rig.migrator()
    await expect(migrator.migrate(1)).rejects.toMatchObject({ code: 'BUSY' })
    await expect(migrator.migrateDirty(rig.remote.sync())).rejects.toMatchObject({ code: 'BUSY' })
    await first
    expect(rig.differing()).toEqual([])
    rig.local.unlock()
    await expectUsable(rig)
    await other.close()
  })

  it('refuses a source that has been handed over, and leaves it locked', async () => {
    rig = migrationRig({ way })
    await migrateLive(rig.live())
    await expect(migrateLive(rig.live())).rejects.toMatchObject({ code: 'LOCKED' })
    expect(rig.local.state).toBe('locked')
    rig.local.unlock()
    await expectUsable(rig)
  })

  it('moves the same source three times, written in between, each time to another disk', async () => {
    rig = migrationRig({ way })
    for (let time = 0; time < 3; time++) {
      const destination = new MemoryStorage(rig.remote.size)
      await migrateLive(rig.live({ destination }))
      const copy = new Uint8Array(destination.size)
      await destination.readAt(copy, 0)
      expect(Buffer.compare(copy, rig.sourceBytes())).toBe(0)
      rig.local.unlock()
      await rig.local.writeAt(new Uint8Array(1000).fill(time + 100), time * 2000)
      await destination.close()
    }
  })
})

async function expectUsableAgain(rig: Rig): Promise<void> {
  rig.local.unlock()
  await expectUsable(rig)
}
