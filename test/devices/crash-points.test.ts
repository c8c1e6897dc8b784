import { describe, expect, it, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import type { MigrationStrategy } from '../../src/migration/live-options.ts'
import { readFully } from '../../src/storage/sequential-reader.ts'
import { type CrashKind, CrashWorld } from '../support/crash-world.ts'
import { FlakyStorage } from '../support/flaky-storage.ts'
import { goOn } from './after-crash.ts'
import { TwoMachines } from './two-machines.ts'

/** More states of each moment by hand: `FERRY_RUNS=64 npx vitest run test/devices/crash-points.test.ts`. */
const PER_POINT = Number(process.env.FERRY_RUNS ?? 1)

const BLOCKS = 5
const STRATEGIES: readonly MigrationStrategy[] = ['pre-copy', 'post-copy']

/** Something that the application was told is on the disk, durably, and when it began to write it. */
interface Written {
  readonly from: number
  readonly until: number
  readonly before: Uint8Array
  readonly after: Uint8Array
}

/** A whole life of two machines: written, moved while it is written, written again. */
async function live(world: CrashWorld, strategy: MigrationStrategy): Promise<{ size: number; written: Written[] }> {
  const machines = new TwoMachines(seededRandom(3), BLOCKS, {
    storage: (name, content) => world.storage(name, content),
    bootId: 'one',
  })
  const { shadow } = machines
  const content = async () => {
    const bytes = new Uint8Array(shadow.size)
    await readFully(shadow, bytes, 0)
    return bytes
  }
  const written: Written[] = []
  const write = async () => {
    const [from, before] = [world.mark(), await content()]
    await machines.write(1)
    written.push({ from, until: world.mark(), before, after: await content() })
  }
  await machines.bootSource()
  machines.bootDestination()
  await write()
  const { source, destination } = await machines.move(await machines.connect(), { strategy })
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  expect(destination).toMatchObject({ status: 'fulfilled' })
  await machines.arriving.whole
  await write()
  await write()
  return { size: shadow.size, written }
}

/** What is on the disk at the moment; where something was being written, what was there or what came. */
function isLegal(found: Uint8Array, written: readonly Written[], at: number): boolean {
  const next = written.find(({ until }) => until > at)
  const last = written.findLast(({ until }) => until <= at)
  const settled = last?.after ?? written[0]!.before
  const coming = next && next.from <= at ? next.after : settled
  return found.every((byte, index) => byte === settled[index] || byte === coming[index])
}

describe.each(STRATEGIES)('a disk that moves with strategy %s', (strategy) => {
  test.each<CrashKind>(['kill', 'power'])(
    'is whole on one side after a crash at any moment: %s',
    { timeout: 120_000 },
    async (kind) => {
      const world = new CrashWorld()
      const { written } = await live(world, strategy)
      const random = seededRandom(11)
      let wrecks = 0
      for (const wreck of world.wrecks(kind, { random, perPoint: PER_POINT })) {
        const kinds = { source: kind, destination: kind }
        const remains = { images: wreck.images, kinds, blocks: BLOCKS, seed: wreck.at }
        const { found } = await goOn(remains, strategy).catch((error: unknown) => {
          throw new Error(`${kind} at ${wreck.at}`, { cause: error })
        })
        expect(isLegal(found, written, wreck.at), `${kind} at ${wreck.at}`).toBe(true)
        wrecks++
      }
      expect(wrecks).toBeGreaterThan(world.events)
    },
  )

  it('ends well, or with an error and then well, whichever call of a storage fails', { timeout: 120_000 }, async () => {
    let failed = 1
    for (; await failOnce(strategy, failed); failed++) expect(failed).toBeLessThan(1000)
    expect(failed).toBeGreaterThan(30)
  })
})

/** Moves the disk with the n-th call of any storage failing, then once more from a new start; false when there were fewer calls. */
async function failOnce(strategy: MigrationStrategy, failing: number): Promise<boolean> {
  let [calls, isArmed] = [0, true]
  const machines = new TwoMachines(seededRandom(failing), BLOCKS, {
    storage: (name, content) => {
      const storage = new CrashWorld().storage(name, content)
      return new FlakyStorage(storage, () => (isArmed && ++calls === failing ? {} : undefined))
    },
    bootId: 'one',
  })
  const first = async () => {
    await machines.bootSource()
    machines.bootDestination()
    // Of a write that failed nobody knows what is there.
    isArmed = false
    await machines.write(1)
    isArmed = true
    const { source, destination } = await machines.move(await machines.connect(), { strategy })
    for (const end of [source, destination]) if (end.status === 'rejected') throw end.reason
    await machines.arriving.whole
  }
  const error = await first().then(
    () => undefined,
    (error: unknown) => error,
  )
  if (error) {
    expect(error).toBeInstanceOf(StorageError)
  }
  const wasReached = calls >= failing
  isArmed = false
  for (const machine of [machines.near, machines.far]) machine.die()
  await machines.bootSource()
  machines.bootDestination()
  await machines.reopenDestination()
  machines.checkOneOwner()
  const { source, destination } = await machines.move(await machines.connect(), { strategy })
  expect(source, `call ${failing}`).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  expect(destination, `call ${failing}`).toMatchObject({ status: 'fulfilled' })
  await machines.arriving.whole
  const [found, expected] = [new Uint8Array(machines.shadow.size), new Uint8Array(machines.shadow.size)]
  await readFully(machines.far.disk, found, 0)
  await readFully(machines.shadow, expected, 0)
  expect(Buffer.compare(found, expected), `call ${failing}`).toBe(0)
  return wasReached
}
