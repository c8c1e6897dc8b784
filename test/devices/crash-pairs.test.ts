import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import type { MigrationStrategy } from '../../src/migration/live-options.ts'
import { readFully } from '../../src/storage/sequential-reader.ts'
import { type Crash, type CrashKind, CrashWorld } from '../support/crash-world.ts'
import { goOn, sideOf } from './after-crash.ts'
import { type Blow, TwoMachines } from './two-machines.ts'

/** All moments of the source, and more of the destination beside each, by hand: `FERRY_RUNS=4 npx vitest run --project node test/devices/crash-pairs.test.ts`. */
const SCALE = Number(process.env.FERRY_RUNS ?? 1)

/** From one moment of the source to the next. */
const STEP = SCALE > 1 ? 1 : 3

const BLOCKS = 5
const STRATEGIES: readonly MigrationStrategy[] = ['pre-copy', 'post-copy', 'auto']
const KINDS: readonly (readonly [source: CrashKind, destination: CrashKind])[] = [
  ['power', 'kill'],
  ['kill', 'power'],
  ['power', 'power'],
  ['kill', 'kill'],
]

type Side = Blow['at']

/** Something that an application wrote and flushed: when it was begun and acknowledged, by the events of its side. */
interface Write {
  readonly side: Side
  readonly from: number
  until: number
  readonly before: Uint8Array
  readonly after: Uint8Array
}

/** How many bytes a side had sent, or taken, after an event. */
interface Traffic {
  readonly at: number
  readonly bytes: number
}

/** One whole life of two machines: who wrote what, and what was on the wire when. */
interface Life {
  readonly world: CrashWorld
  readonly writes: readonly Write[]
  readonly traffic: Readonly<Record<`${Side} ${'sent' | 'arrived'}`, readonly Traffic[]>>
}

/** Moves a disk while it is written; its application goes with it. */
async function live(strategy: MigrationStrategy, seed: number): Promise<Life> {
  const world = new CrashWorld()
  const traffic = {
    'source sent': [] as Traffic[],
    'source arrived': [] as Traffic[],
    'destination sent': [] as Traffic[],
    'destination arrived': [] as Traffic[],
  }
  const machines = new TwoMachines(seededRandom(seed), BLOCKS, {
    storage: (name, content) => world.storage(name, content),
    bootId: 'one',
    hears: (side, what, bytes) => {
      const heard = traffic[`${side} ${what}`]
      heard.push({ at: world.mark(), bytes: bytes + (heard.at(-1)?.bytes ?? 0) })
    },
  })
  const writes: Write[] = []
  const write = async () => {
    const side = machines.sourceIsOpen ? 'source' : 'destination'
    const before = await contentOf(machines)
    const entry = { side, from: world.mark(), until: Number.POSITIVE_INFINITY, before, after: before } as const
    await machines.write(1)
    writes.push({ ...entry, until: world.mark(), after: await contentOf(machines) })
  }
  await machines.bootSource()
  machines.bootDestination()
  await write()
  let writing: Promise<void> | undefined
  const progressHandler = () => {
    const isOpen = machines.sourceIsOpen || machines.destinationIsOpen
    if (isOpen && writes.length < 4) writing ??= write().finally(() => (writing = undefined))
  }
  const how = { strategy, progressHandler, progressIntervalMs: 0, runBytes: 4096 }
  const { source, destination } = await machines.move(await machines.connect(), how)
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  expect(destination).toMatchObject({ status: 'fulfilled' })
  await machines.arriving.whole
  await writing
  await write()
  await write()
  expect(writes.map(({ side }) => side)).toEqual(expect.arrayContaining(['source', 'destination']))
  expect(writes.length).toBeGreaterThan(3)
  return { world, writes, traffic }
}

async function contentOf({ shadow }: TwoMachines): Promise<Uint8Array> {
  const bytes = new Uint8Array(shadow.size)
  await readFully(shadow, bytes, 0)
  return bytes
}

/** Bytes at a moment. */
function bytesAt(traffic: readonly Traffic[], at: number): number {
  return traffic.findLast((entry) => entry.at <= at)?.bytes ?? 0
}

/** Whether one run can have the source at one moment and the destination at the other: nothing had come that was not sent. */
function isPossible({ traffic }: Life, source: number, destination: number): boolean {
  const hasCome = (from: Side, sentAt: number, to: Side, arrivedAt: number) =>
    bytesAt(traffic[`${to} arrived`], arrivedAt) <= bytesAt(traffic[`${from} sent`], sentAt)
  return hasCome('source', source, 'destination', destination) && hasCome('destination', destination, 'source', source)
}

/** Moments of the destination that go with one of the source: the first and the last, which lie furthest from it, and some between. */
function momentsBeside(life: Life, source: number, random: () => number): number[] {
  const possible = Array.from({ length: life.world.events + 1 }, (_, at) => at).filter((at) =>
    isPossible(life, source, at),
  )
  const some = Array.from({ length: SCALE - 1 }, () => possible[Math.floor(random() * possible.length)]!)
  return [...new Set([possible[0]!, possible.at(-1)!, ...some])]
}

/** Byte by byte the last write that was acknowledged, or one after it that had begun. */
function isLegal(found: Uint8Array, writes: readonly Write[], crashes: Readonly<Record<Side, Crash>>): boolean {
  const last = writes.findLast(({ side, until }) => until <= crashes[side].at)
  const settled = last?.after ?? writes[0]!.before
  const later = last ? writes.slice(writes.indexOf(last) + 1) : writes
  const coming = later.filter(({ side, from }) => from <= crashes[side].at).map(({ after }) => after)
  return found.every((byte, index) => byte === settled[index] || coming.some((after) => byte === after[index]))
}

describe.each(STRATEGIES)('two machines that stop, each at its own moment of a move by %s', (strategy) => {
  test.each(KINDS)(
    'have one owner or talk first, who has all that was flushed: source by %s, destination by %s',
    { timeout: 300_000 },
    async (sourceKind, destinationKind) => {
      const life = await live(strategy, 3)
      const random = seededRandom(17)
      const kinds = { source: sourceKind, destination: destinationKind }
      const owners = { source: 0, destination: 0, neither: 0 }
      let apart = 0
      for (let at = 0; at <= life.world.events; at += STEP) {
        for (const beside of momentsBeside(life, at, random)) {
          const crashes = { source: { at, kind: sourceKind }, destination: { at: beside, kind: destinationKind } }
          const states = { random, perPoint: SCALE, tornPerPoint: SCALE > 1 ? 1 : 0 }
          for (const images of life.world.images((name) => crashes[sideOf(name)], states)) {
            const where = `source at ${at}, destination at ${beside}`
            const { found, owner } = await goOn({ images, kinds, blocks: BLOCKS, seed: at }, strategy).catch(
              (cause: unknown) => {
                throw new Error(where, { cause })
              },
            )
            expect(isLegal(found, life.writes, crashes), where).toBe(true)
            owners[owner]++
            if (at !== beside) apart++
          }
        }
      }
      // All of these moments are met, and not only those at which both stop at once.
      expect(apart).toBeGreaterThan(life.world.events / STEP)
      for (const count of Object.values(owners)) expect(count, JSON.stringify(owners)).toBeGreaterThan(0)
      if (SCALE > 1)
        console.log(`${strategy}, ${sourceKind}, ${destinationKind}: ${JSON.stringify(owners)}, ${apart} apart`)
    },
  )
})
