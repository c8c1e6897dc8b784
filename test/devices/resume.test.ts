import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { CHECKPOINT_BYTES } from '../../src/devices/limits.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

/** 48 MiB; single blocks of zeroes travel with their neighbours. */
const BLOCKS = 12_288

describe('a migration that was interrupted sends little again', () => {
  test.each(['cut', 'kill-source', 'kill-destination'] as const)('after a %s', { timeout: 60_000 }, async (kind) => {
    const machines = new TwoMachines(seededRandom(5), BLOCKS)
    await machines.bootSource()
    machines.bootDestination()
    const first = await machines.connectFor(30 * 2 ** 20, kind)
    await machines.move(first)
    expect(machines.struck).toBe(true)
    const sentBefore = machines.bytesSent
    const windowBytes = first.near.rw.windowBytes
    if (kind === 'kill-source') await machines.bootSource()
    if (kind === 'kill-destination') machines.bootDestination()
    await machines.write(20)
    const { source, destination } = await machines.move(await machines.connect())
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(destination).toMatchObject({ status: 'fulfilled' })
    expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
    const left = BLOCKS * BLOCK - sentBefore
    const again = machines.bytesSent - sentBefore - left
    // Twenty writes touch forty blocks at most.
    expect(again).toBeLessThan(Math.max(CHECKPOINT_BYTES, 2 * windowBytes) + 40 * BLOCK + 2 ** 18)
  })

  test('an older copy is kept where it is equal', async () => {
    const machines = new TwoMachines(seededRandom(6), 2000)
    await machines.bootSource()
    machines.bootDestination()
    await machines.move(await machines.connectFor(4 * 2 ** 20, 'cut'))
    // The source forgets all about the migration: to it this is a new one.
    machines.near.place.writeAtSync(new Uint8Array(machines.near.place.size), 0)
    machines.near.die()
    await machines.bootSource()
    await machines.write(5)
    const before = machines.bytesSent
    const { source } = await machines.move(await machines.connect())
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
    expect(machines.bytesSent - before).toBeLessThan(5 * 2 ** 20)
  })
})
