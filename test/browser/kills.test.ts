import { afterAll, beforeAll, expect, it } from 'vitest'
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
  readonly side: 'source' | 'destination'
  readonly means: KillMeans
  readonly place: Task['place']
  readonly halt: Halt
}

const POINTS: readonly Pick<Plan, 'side' | 'halt'>[] = [
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
  async ({ side, means, place, halt }) => {
    const players = { source, destination }
    await Promise.all([source.wipe(), destination.wipe()])
    relay.takeBytes()
    const victim = players[side]
    const task = (life: number, of: Plan['side']): Task => ({
      side: of,
      place,
      url: relay.url,
      life,
      size: SIZE,
      blockSize: BLOCK_SIZE,
    })
    await Promise.all([
      source.run({ ...task(1, 'source'), ...(side === 'source' ? { halt } : {}) }),
      destination.run({ ...task(2, 'destination'), ...(side === 'destination' ? { halt } : {}) }),
    ])
    await victim.heard('halted')
    await victim.kill(means)
    const before = relay.takeBytes()
    const mark = victim.notes.length
    // The later life of a source still comes before that of the destination.
    await victim.run(task(side === 'source' ? 1.5 : 3, side))
    const [gave, got] = await Promise.all([
      source.heard('done', side === 'source' ? mark : 0),
      destination.heard('done', side === 'destination' ? mark : 0),
    ])
    await destination.heard('flushed', side === 'destination' ? mark : 0)
    const after = relay.takeBytes()

    const [left, right] = await Promise.all([source.look(task(4, 'source')), destination.look(task(4, 'destination'))])
    // One owner, one root, and the copy that was given away is as it was then.
    expect({ source: left.state, destination: right.state }).toEqual({ source: 'gone', destination: 'owner' })
    expect(gave.root).toMatch(/^[0-9a-f]{32}$/)
    expect([got.root, left.root, right.root, left.hash]).toEqual([gave.root, gave.root, gave.root, gave.root])
    const latest = Math.max(...times(source.notes))
    const first = Math.min(...times(destination.notes))
    expect(first).toBeGreaterThanOrEqual(latest)
    // Whatever was acknowledged and flushed, on either side, is there or was written over later.
    const held = new Map(right.numbers)
    const flushed = [...source.notes, ...destination.notes].flatMap((note) =>
      note.type === 'flushed' ? note.writes : [],
    )
    expect(flushed.length).toBeGreaterThan(0)
    expect(flushed.filter(([slot, number]) => !((held.get(slot) ?? 0) >= number))).toEqual([])
    // What had been stored does not cross again, but for what the journal had not been told, and what was written.
    if (halt.at === 'bytes' && side === 'destination') {
      expect(after).toBeLessThan(SIZE - halt.bytes + AGAIN_BYTES + WRITTEN_BYTES + gave.dirtied)
    }
    console.log(`${nameOf({ side, means, place, halt })}: ${megabytes(before)} before, ${megabytes(after)} after`)
  },
  120_000,
)

function times(notes: readonly Note[]): number[] {
  return notes.flatMap((note) => (note.type === 'wrote' ? [note.atMs] : []))
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

function nameOf({ side, means, place, halt }: Plan): string {
  const where = halt.at === 'bytes' ? `after ${megabytes(halt.bytes)}` : `${halt.at} "${halt.state}" is stored`
  return `${means} of the ${side} killed ${where}, ${place}`
}
