import { afterAll, beforeAll, expect, it } from 'vitest'
import type { MigrationStrategy } from '../../src/migration/live-options.ts'
import { startHarness } from './harness/start.ts'
import { type KillMeans, Player } from './kills/player.ts'
import { type Relay, startRelay } from './kills/relay.ts'
import type { Halt, Note, Task } from './kills/task.ts'

const MiB = 2 ** 20
const SIZE = 16 * MiB
const BLOCK_SIZE = 65536

/** What may be sent again after a kill, with what surrounds it: as much as may be stored before the journal is told. */
const AGAIN_BYTES = 4.25 * MiB

/** The program writes to so many bytes of blocks: those written while the connection was lost cross again. */
const WRITTEN_BYTES = 16 * BLOCK_SIZE

/** How many moves are killed; the first few of the list in every test run, `KILLS=50` by hand. */
const KILLS = Number(process.env.KILLS ?? 3)

interface Plan {
  readonly strategy: MigrationStrategy
  readonly side: 'source' | 'destination'
  readonly means: KillMeans
  readonly place: Task['place']
  readonly halt: Halt
}

type Point = Pick<Plan, 'strategy' | 'side' | 'halt'>

const PRE_COPY: readonly Omit<Point, 'strategy'>[] = [
  { side: 'destination', halt: { at: 'bytes', bytes: 0.6 * SIZE } },
  { side: 'source', halt: { at: 'after', state: 'released' } },
  { side: 'source', halt: { at: 'bytes', bytes: 0.6 * SIZE } },
  { side: 'destination', halt: { at: 'after', state: 'prepared' } },
  { side: 'source', halt: { at: 'bytes', bytes: 1.001 * SIZE } },
  { side: 'destination', halt: { at: 'before', state: 'owner' } },
  { side: 'source', halt: { at: 'before', state: 'released' } },
  { side: 'destination', halt: { at: 'after', state: 'owner' } },
  { side: 'source', halt: { at: 'before', state: 'gone' } },
  { side: 'destination', halt: { at: 'before', state: 'prepared' } },
  { side: 'source', halt: { at: 'after', state: 'gone' } },
]

const POST_COPY: readonly Omit<Point, 'strategy'>[] = [
  { side: 'source', halt: { at: 'rest', bytes: 0.6 * SIZE } },
  { side: 'destination', halt: { at: 'rest', bytes: 0.6 * SIZE } },
  { side: 'source', halt: { at: 'rest', bytes: 0 } },
  { side: 'destination', halt: { at: 'after', state: 'owner' } },
  { side: 'source', halt: { at: 'after', state: 'released' } },
  { side: 'destination', halt: { at: 'before', state: 'whole' } },
  { side: 'source', halt: { at: 'before', state: 'gone' } },
  { side: 'destination', halt: { at: 'after', state: 'whole' } },
]

const AUTO: readonly Omit<Point, 'strategy'>[] = [
  { side: 'destination', halt: { at: 'rest', bytes: 0 } },
  { side: 'source', halt: { at: 'rest', bytes: 0 } },
  { side: 'source', halt: { at: 'bytes', bytes: 0.3 * SIZE } },
  { side: 'destination', halt: { at: 'before', state: 'whole' } },
]

/** The strategies by turns, so that the first few have each. */
const POINTS: readonly Point[] = Array.from({ length: PRE_COPY.length }, (_, index) => [
  ...PRE_COPY.slice(index, index + 1).map((point): Point => ({ ...point, strategy: 'pre-copy' })),
  ...POST_COPY.slice(index, index + 1).map((point): Point => ({ ...point, strategy: 'post-copy' })),
  ...AUTO.slice(index, index + 1).map((point): Point => ({ ...point, strategy: 'auto' })),
]).flat()

/** Every point by either means, in either storage, and so on. */
const plans = Array.from(
  { length: KILLS },
  (_, index): Plan => ({
    ...POINTS[index % POINTS.length]!,
    means: index % 2 === 0 ? 'tab' : 'browser',
    place: index % 3 === 2 ? 'indexeddb' : 'opfs',
  }),
)

let harness: Awaited<ReturnType<typeof startHarness>>
let relay: Relay
let source: Player
let destination: Player

beforeAll(async () => {
  harness = await startHarness()
  relay = await startRelay()
  const address = new URL('../kills/index.html', harness.address).href
  ;[source, destination] = await Promise.all([Player.start(address), Player.start(address)])
})

afterAll(async () => {
  await source?.close()
  await destination?.close()
  relay?.close()
  await harness?.close()
})

it.each(plans.map((plan, index) => ({ ...plan, what: `${index}: ${nameOf(plan)}` })))(
  'a move that is killed and goes on loses nothing, $what',
  async ({ strategy, side, means, place, halt }) => {
    // The new owner must not wait for ever for a source that is gone.
    const isLacking = side === 'source' && halt.at === 'rest'
    const players = { source, destination }
    await Promise.all([source.wipe(), destination.wipe()])
    relay.takeBytes()
    const victim = players[side]
    const task = (life: number, of: Plan['side']): Task => ({
      side: of,
      strategy,
      place,
      url: relay.url,
      life,
      size: SIZE,
      blockSize: BLOCK_SIZE,
      reconnectMs: isLacking ? 500 : 600_000,
    })
    await Promise.all([
      source.run({ ...task(1, 'source'), ...(side === 'source' ? { halt } : {}) }),
      destination.run({ ...task(2, 'destination'), ...(side === 'destination' ? { halt } : {}) }),
    ])
    await victim.heard('halted')
    await victim.kill(means)
    if (isLacking) expect((await destination.heard('lacks')).code).toBe('PEER_LOST')
    const before = relay.takeBytes()
    const mark = victim.notes.length
    // The later life of a source still comes before that of the destination.
    await victim.run(task(side === 'source' ? 1.5 : 3, side))
    const [gave, got] = await Promise.all([
      source.heard('done', side === 'source' ? mark : 0),
      destination.heard('done', side === 'destination' ? mark : 0),
    ]).catch((cause: unknown) => {
      throw new Error(`source: ${source.told}\ndestination: ${destination.told}`, { cause })
    })
    await destination.heard('flushed', side === 'destination' ? mark : 0)
    const after = relay.takeBytes()

    const [left, right] = await Promise.all([source.look(task(4, 'source')), destination.look(task(4, 'destination'))])
    // One owner, one root, and the copy that was given away is as it was then.
    expect({ source: left.state, destination: right.state }).toEqual({ source: 'gone', destination: 'owner' })
    expect(left.hash).toMatch(/^[0-9a-f]{32}$/)
    expect([got.root, right.root]).toEqual([left.hash, left.hash])
    // Where blocks were missing at the hand-over, the source's record of it cannot hold the root.
    if (strategy === 'pre-copy') expect([gave.root, left.root]).toEqual([left.hash, left.hash])
    const latest = Math.max(...times(source.notes, ['wrote', 'flushed']))
    const first = Math.min(...times(destination.notes, ['wrote']))
    expect(first).toBeGreaterThanOrEqual(latest)
    // Whatever was acknowledged and flushed, on either side, is there or was written over later.
    const held = new Map(right.numbers)
    const flushed = [...source.notes, ...destination.notes].flatMap((note) =>
      note.type === 'flushed' ? note.writes : [],
    )
    expect(flushed.length).toBeGreaterThan(0)
    expect(flushed.filter(([slot, number]) => !((held.get(slot) ?? 0) >= number))).toEqual([])
    // What had been stored does not cross again, but for what the journal had not been told, and what was written.
    if ((halt.at === 'bytes' || halt.at === 'rest') && strategy !== 'auto' && side === 'destination') {
      expect(after).toBeLessThan(SIZE - halt.bytes + AGAIN_BYTES + WRITTEN_BYTES + gave.dirtied)
    }
    console.log(
      `${nameOf({ strategy, side, means, place, halt })}: ${megabytes(before)} before, ${megabytes(after)} after`,
    )
  },
  300_000,
)

function times(notes: readonly Note[], types: readonly ('wrote' | 'flushed')[]): number[] {
  return notes.flatMap((note) => ('atMs' in note && types.includes(note.type) ? [note.atMs] : []))
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

function nameOf({ strategy, side, means, place, halt }: Plan): string {
  return `${strategy}: ${means} of the ${side} killed ${whereOf(halt)}, ${place}`
}

function whereOf(halt: Halt): string {
  if (halt.at === 'bytes') return `after ${megabytes(halt.bytes)}`
  if (halt.at === 'rest') return `after ${megabytes(halt.bytes)} of the rest`
  return `${halt.at} "${halt.state}" is stored`
}
