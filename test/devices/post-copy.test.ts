import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { rootHash } from '../../src/storage/root-hash.ts'
import { BLOCK, type Blow, TwoMachines } from './two-machines.ts'

const strategy = 'post-copy'

/** Hands a disk over at once, is struck, goes on as long as it takes; false when it was over before the blow. */
async function strikeOnce(blow: Blow & { send: number }): Promise<boolean> {
  const machines = new TwoMachines(seededRandom(blow.send))
  await machines.bootSource()
  machines.bootDestination()
  const writing: Promise<void>[] = []
  let writes = 6
  // What a dying process was writing may be on the disk or not.
  const writesHere = blow.kind !== 'kill-destination'
  const progressHandler = () => {
    if (writes-- > 0 && writesHere) writing.push(machines.write(1))
  }
  const first = await machines.connect(blow).catch(() => undefined)
  if (first) await machines.move(first, { strategy, progressHandler, progressIntervalMs: 0 })
  if (!machines.struck) return false
  await Promise.race([Promise.allSettled(writing), machines.clock.sleep(1000)])
  if (blow.kind === 'kill-source') await machines.bootSource()
  if (blow.kind === 'kill-destination') {
    machines.bootDestination()
    await machines.reopenDestination()
  }
  machines.checkOneOwner()
  // Where the owner lacks a block this waits for the source to come back.
  const between = machines.write()
  const { source } = await machines.move(await machines.connect(), { strategy })
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  expect(machines.sourceIsOpen).toBe(false)
  expect(machines.destinationIsOpen).toBe(true)
  await machines.arriving.whole
  await between
  expect(machines.arriving.cache.missingBlocks).toBe(0)
  await machines.write()
  expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
  return true
}

const blows: Omit<Blow, 'send'>[] = (['source', 'destination'] as const).flatMap((at) =>
  (['cut', 'kill-source', 'kill-destination'] as const).map((kind) => ({ at, kind })),
)

describe('a disk that is handed over before its blocks have moved', () => {
  test('is used at once, and gets the rest', async () => {
    const machines = new TwoMachines(seededRandom(1))
    await machines.bootSource()
    machines.bootDestination()
    const writing: Promise<void>[] = []
    const progressHandler = () => {
      if (machines.destinationIsOpen && writing.length < 5) writing.push(machines.write(2))
    }
    const { source, destination } = await machines.move(await machines.connect(), {
      strategy,
      progressHandler,
      progressIntervalMs: 0,
    })
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(destination).toMatchObject({ status: 'fulfilled', value: undefined })
    await machines.arriving.whole
    await Promise.all(writing)
    expect(writing.length).toBe(5)
    expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
  })

  test('keeps a flushed write into a block that had just arrived, when the new owner is killed then', async () => {
    const machines = new TwoMachines(seededRandom(3))
    await machines.bootSource()
    machines.bootDestination()
    let writing: Promise<void> | undefined
    const bytes = new Uint8Array(100).fill(0xab)
    const offset = 250 * BLOCK + 10
    const progressHandler = () => {
      if (!machines.destinationIsOpen || writing) return
      writing = (async () => {
        const { disk } = machines.arriving
        await disk.writeAt(bytes, offset)
        await disk.flush()
        machines.far.die()
      })()
    }
    const options = { strategy, progressHandler, progressIntervalMs: 0 } as const
    const connection = await machines.connect()
    const first = machines.move(connection, options)
    void machines.far.death.then(() => connection.far.rw.abort(new Error('killed')))
    await first
    await writing
    machines.shadow.writeAtSync(bytes, offset)
    machines.bootDestination()
    await machines.reopenDestination()
    await machines.move(await machines.connect(), { strategy })
    await machines.arriving.whole
    expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
  })

  test('has the root of what was handed over at the end, also over another connection', async () => {
    const machines = new TwoMachines(seededRandom(5))
    await machines.bootSource()
    machines.bootDestination()
    const first = await machines.move(await machines.connectFor(400_000, 'cut'), { strategy })
    expect(first.source.status).toBe('rejected')
    expect(machines.destinationIsOpen).toBe(true)
    expect(machines.arriving.cache.missingBlocks).toBeGreaterThan(0)
    const { source } = await machines.move(await machines.connect(), { strategy })
    const root = await rootHash(machines.near.disk, { blockSize: BLOCK })
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true, root } })
  })

  test.each(blows)('survives a $kind before any send of the $at', { timeout: 60_000 }, async (blow) => {
    let send = 1
    for (; await strikeOnce({ ...blow, send }); send++) expect(send).toBeLessThan(1000)
    expect(send).toBeGreaterThan(7)
  })
})
