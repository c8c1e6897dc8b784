import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/async/random.ts'
import type { JournalOptions } from '../../../src/migration/journal/journal.ts'
import { type Ownership, reconcile } from '../../../src/migration/journal/ownership.ts'
import { type CrashKind, CrashWorld, type Wreck } from '../../support/crash-world.ts'
import { migrate, recover, type Told } from './hand-over-run.ts'

/** More seeds and wrecks by hand: `FERRY_RUNS=10 npx vitest run test/migration/journal/crash-points.test.ts`. */
const SCALE = Number(process.env.FERRY_RUNS ?? 1)
const SIDES = ['source', 'destination'] as const

/** A migration that ran, and the moments of its records. */
async function run(seed: number): Promise<{ world: CrashWorld; told: Told[] }> {
  const world = new CrashWorld()
  const told = await migrate(
    (name, content) => world.storage(name, content),
    seededRandom(seed),
    () => world.mark(),
  )
  return { world, told }
}

/** Records that one side may hold after a crash at that moment, when what was flushed is there. */
function legal(told: Told[], side: Told['side'], at: number): (Ownership | undefined)[] {
  const ours = told.filter((entry) => entry.side === side && entry.from <= at)
  const last = ours.findLastIndex((entry) => entry.until <= at)
  return last < 0
    ? [undefined, ...ours.map(({ ownership }) => ownership)]
    : ours.slice(last).map(({ ownership }) => ownership)
}

const text = (ownership: Ownership | undefined) => JSON.stringify(ownership) ?? 'none'

/** Looks at one wreck; both sides crashed at the same moment. Returns how many digests were known. */
async function check(wreck: Wreck, told: Told[], options: Partial<JournalOptions>, context: string): Promise<number> {
  const [source, destination] = [await recover(wreck, 'source', options), await recover(wreck, 'destination', options)]
  const where = `${context}, ${wreck.kind} at ${wreck.at}`
  expect(source.wrong, `source, ${where}`).toEqual([])
  expect(destination.wrong, `destination, ${where}`).toEqual([])
  for (const [index, found] of [source.ownership, destination.ownership].entries()) {
    const allowed =
      wreck.kind === 'lost-flushes'
        ? [undefined, ...told.map(({ ownership }) => ownership)]
        : legal(told, SIDES[index]!, wreck.at)
    expect(allowed.map(text), `${SIDES[index]}, ${where}`).toContain(text(found))
  }
  if (source.ownership) {
    const isBoth = source.ownership.state === 'owner' && destination.ownership?.state === 'owner'
    const verdict = reconcile(source.ownership, destination.ownership)
    // A storage that lies about flushes may bring an old owner back; then both stop once they talk.
    if (wreck.kind === 'lost-flushes') expect(!isBoth || verdict === 'conflict', where).toBe(true)
    else
      expect(
        [isBoth, verdict === 'conflict'],
        `${where}: ${text(source.ownership)} ${text(destination.ownership)}`,
      ).toEqual([false, false])
  }
  return source.known + destination.known
}

const crashes: { kind: CrashKind; options: Partial<JournalOptions>; what: string }[] = [
  { kind: 'kill', options: {}, what: 'a kill' },
  { kind: 'power', options: { bootId: 'next' }, what: 'a power loss' },
  {
    kind: 'lost-flushes',
    options: { bootId: 'next', flushesMayBeLost: true },
    what: 'a power loss that shows that flushes were lies',
  },
]

describe.each(crashes)('after $what at any moment of a migration', ({ kind, options }) => {
  it('each record is one that was written, one side owns the disk, and every digest is true', async () => {
    let wrecks = 0
    let known = 0
    for (let seed = 1; seed <= 2 * SCALE; seed++) {
      const { world, told } = await run(seed)
      const random = seededRandom(seed * 1000)
      for (const wreck of world.wrecks(kind, { random, perPoint: 4 })) {
        known += await check(wreck, told, options, `seed ${seed}`)
        wrecks++
      }
    }
    expect(wrecks).toBeGreaterThan(500)
    // A journal that forgets everything would pass as well.
    if (kind === 'lost-flushes') expect(known).toBe(0)
    else expect(known / wrecks).toBeGreaterThan(kind === 'kill' ? 200 : 20)
  }, 120_000)
})

describe('a kill or a power loss while a journal recovers from a power loss', () => {
  it.each(SIDES)(
    'leaves no digest that is not true: %s',
    async (side) => {
      const { world, told } = await run(7)
      const random = seededRandom(70)
      let again = 0
      for (const wreck of world.wrecks('power', { random, perPoint: 1 })) {
        if (random() < 0.9) continue
        const second = new CrashWorld()
        await recover(wreck, side, { bootId: 'next' }, second)
        for (const kind of ['power', 'kill'] as const) {
          for (const later of second.wrecks(kind, { random, perPoint: 3 })) {
            const images = new Map([...wreck.images, ...later.images])
            const found = await recover({ ...later, images }, side, { bootId: kind === 'kill' ? 'next' : 'third' })
            expect(found.wrong, `${kind} at ${wreck.at}, then at ${later.at}`).toEqual([])
            expect(legal(told, side, wreck.at).map(text)).toContain(text(found.ownership))
            again++
          }
        }
      }
      expect(again).toBeGreaterThan(100)
    },
    120_000,
  )
})
