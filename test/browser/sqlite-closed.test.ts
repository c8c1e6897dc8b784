import type { Page } from 'playwright'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { type RunningHarness, startHarness } from './harness/start.ts'
import { type Relay, startRelay } from './kills/relay.ts'
import type {} from './sqlite/page.ts'
import type { Halt, SideNote, SideRemains, SideTask } from './sqlite/side.ts'

let harness: RunningHarness
let relay: Relay

beforeAll(async () => {
  harness = await startHarness()
  relay = await startRelay()
})
afterAll(async () => {
  relay?.close()
  await harness?.close()
})

const PATIENCE = { timeout: 60_000, interval: 50 }

/** One side of a move, in a tab of its own. */
class Tab {
  readonly notes: SideNote[] = []
  readonly #side: SideTask['side']
  #page: Page | undefined

  constructor(side: SideTask['side']) {
    this.#side = side
  }

  async run(halt?: Halt): Promise<void> {
    const task: SideTask = { side: this.#side, url: relay.url, ...(halt ? { halt } : {}) }
    await (await this.#open()).evaluate((task) => window.sqliteTests.side({ run: task }), task)
  }

  /** Closes the tab without a word to it. */
  async close(): Promise<void> {
    await this.#page?.close({ runBeforeUnload: false })
    this.#page = undefined
  }

  async look(): Promise<SideRemains> {
    await this.close()
    await (await this.#open()).evaluate((side) => window.sqliteTests.side({ look: side }), this.#side)
    return (await this.heard('remains')).remains
  }

  /** The latest note of this kind, once there is one. @throws what the side failed with */
  heard<Type extends SideNote['type']>(type: Type, from = 0): Promise<Extract<SideNote, { type: Type }>> {
    return vi.waitUntil(() => {
      const since = this.notes.slice(from)
      const failed = since.find((note) => note.type === 'failed')
      if (failed?.type === 'failed') throw new Error(`${this.#side}: ${failed.message}`)
      return since.findLast((note) => note.type === type) as Extract<SideNote, { type: Type }> | undefined
    }, PATIENCE)
  }

  async #open(): Promise<Page> {
    const page = await harness.chromium.context.newPage()
    this.#page = page
    await page.exposeFunction('hearSide', (note: SideNote) => this.notes.push(note))
    await page.goto(new URL('../sqlite/index.html', harness.address).href)
    await page.waitForFunction(() => window.sqliteTests !== undefined)
    return page
  }
}

beforeEach(async () => {
  const page = await harness.chromium.context.newPage()
  await page.goto(new URL('../sqlite/index.html', harness.address).href)
  const devtools = await harness.chromium.context.newCDPSession(page)
  await devtools.send('Storage.clearDataForOrigin', { origin: new URL(harness.address).origin, storageTypes: 'all' })
  await page.close()
})

const plans: { side: SideTask['side']; halt: Halt }[] = [
  { side: 'source', halt: { at: 'half' } },
  { side: 'destination', halt: { at: 'half' } },
  { side: 'destination', halt: { at: 'before', state: 'prepared' } },
  { side: 'destination', halt: { at: 'after', state: 'prepared' } },
  { side: 'source', halt: { at: 'before', state: 'released' } },
  { side: 'source', halt: { at: 'after', state: 'released' } },
  { side: 'destination', halt: { at: 'before', state: 'owner' } },
  { side: 'destination', halt: { at: 'after', state: 'owner' } },
  { side: 'source', halt: { at: 'before', state: 'gone' } },
  { side: 'source', halt: { at: 'after', state: 'gone' } },
]

it.each(plans.map((plan) => ({ ...plan, when: Object.values(plan.halt).join(' ') })))(
  'a database has one side and every row when the tab of the $side is closed $when',
  async ({ side, halt }) => {
    const tabs = { source: new Tab('source'), destination: new Tab('destination') }
    const { source, destination } = tabs
    await source.run(side === 'source' ? halt : undefined)
    await source.heard('rows')
    await destination.run(side === 'destination' ? halt : undefined)
    const victim = tabs[side]
    await victim.heard('halted')
    await victim.close()
    const mark = victim.notes.length
    await victim.run()
    await source.heard('told', side === 'source' ? mark : 0)
    const here = await destination.heard('here')
    expect(here.sound).toBe('ok')
    // Rows are numbered without a gap, and each that was acknowledged is there.
    expect(here.last).toBe(here.rows)
    expect(here.rows).toBeGreaterThanOrEqual((await source.heard('rows')).rows)
    const [left, right] = [await source.look(), await destination.look()]
    expect(left).toEqual({ state: 'gone', opened: 'NOT_OWNER' })
    expect(right).toEqual({ state: 'owner', opened: 'open' })
    await source.close()
    await destination.close()
  },
  120_000,
)
