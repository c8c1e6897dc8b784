import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { FEATURE } from '../../src/protocol/connection.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

/** A source and a destination between which pieces of data are damaged, one bit each, as often as `isDamaged` says. */
async function onABadLine(isDamaged: (count: number) => boolean) {
  const machines = new TwoMachines(seededRandom(5))
  let seen = 0
  let damaged = 0
  machines.onTheWay = (part) => {
    if (part.length < BLOCK || !isDamaged(seen++)) return part
    damaged++
    const bytes = part.slice()
    // Behind what is guarded with the head.
    bytes[100 + (seen % (bytes.length - 100))]! ^= 1 << (seen & 7)
    return bytes
  }
  await machines.bootSource()
  machines.bootDestination()
  return { machines, damaged: () => damaged }
}

/** The application of the destination reads block after block, for as long as they come; how many were wrong. */
async function readAll({ arriving, shadow }: TwoMachines): Promise<number> {
  while (!arriving.isPlaced) await new Promise((resolve) => setImmediate(resolve))
  let wrong = 0
  const [ours, theirs] = [new Uint8Array(BLOCK), new Uint8Array(BLOCK)]
  for (let offset = 0; offset < shadow.size; offset += BLOCK) {
    const bytes = await arriving.disk.readAt(ours, offset)
    shadow.readAtSync(theirs, offset)
    if (Buffer.compare(ours.subarray(0, bytes), theirs.subarray(0, bytes)) !== 0) wrong++
  }
  return wrong
}

describe('blocks that are damaged on their way', () => {
  test.each(['pre-copy', 'post-copy'] as const)('are never read, and come again (%s)', async (strategy) => {
    const { machines, damaged } = await onABadLine((count) => count % 4 === 1)
    const reading = readAll(machines)
    const { source } = await machines.move(await machines.connect(), { strategy })
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    await machines.arriving.whole
    expect(await reading).toBe(0)
    expect(damaged()).toBeGreaterThan(3)
    expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
  })

  test('time and again end the migration, the disk stays where it is, and nothing of them is stored', async () => {
    const { machines } = await onABadLine(() => true)
    const { source } = await machines.move(await machines.connect())
    expect(source).toMatchObject({ status: 'rejected', reason: { code: 'MIGRATION_FAILED' } })
    expect((source as PromiseRejectedResult).reason.cause).toMatchObject({ code: 'DAMAGED' })
    expect(machines.sourceIsOpen).toBe(true)
    machines.onTheWay = (part) => part
    const again = await machines.move(await machines.connect())
    expect(again.source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
  })

  test('that a destination of old does not check are found by the root', async () => {
    const { machines } = await onABadLine((count) => count === 2)
    machines.olderDestination = FEATURE.check
    const { source } = await machines.move(await machines.connect())
    expect(source).toMatchObject({ status: 'rejected', reason: { code: 'VERIFY_FAILED' } })
    expect(machines.sourceIsOpen).toBe(true)
  })
})

test('to a destination that knows neither guard nor tags a disk moves as before', async () => {
  const { machines } = await onABadLine(() => false)
  machines.olderDestination = FEATURE.check | FEATURE.guard
  const { source } = await machines.move(await machines.connect(), { strategy: 'post-copy' })
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  await machines.arriving.whole
  expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
})
