import fc from 'fast-check'
import { expect } from 'vitest'
import { type ErrorCode, errorCode } from '../../src/errors/storage-error.ts'
import { propertyOptions } from '../support/seed.ts'
import { settled } from '../support/virtual-clock.ts'
import { type Scenario, scenarios } from './scenario.ts'
import { ScenarioWorld } from './scenario-world.ts'

/** How a migration that meets faults may end. */
const EXPECTED: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  'ABORTED',
  'FLUSH_FAILED',
  'MIGRATION_FAILED',
  'QUOTA_EXCEEDED',
  'READ_FAILED',
  'SHORT_READ',
  'VERIFY_FAILED',
])

/** A case that waits for ever is a failure like another; real time, since virtual time stands still then. */
const CASE_TIMEOUT_MS = 30_000

/** One attempt to migrate in a world; the number says which. */
export type Attempt = (world: ScenarioWorld, attempt: number) => Promise<void>

/** Kinds of scenarios, how many cases of each, and what they have in common. */
export const KINDS: readonly (readonly [string, number, Partial<Scenario>])[] = [
  ['any two storages, no faults', 2000, { faults: 'none', corrupts: false, abortAt: 0 }],
  ['any two storages', 3000, {}],
  ['memory to memory, the synchronous way', 2000, { source: 'memory', destination: 'memory', tickMs: 5 }],
  ['slow to slow, three writers', 1500, { source: 'slow', destination: 'slow', writers: 3 }],
  ['many holes', 1500, { source: 'slow-holey', destination: 'slow' }],
]

/** Random scenarios, each of which must end with both sides equal; counts how their first attempts ended. */
export class RandomRuns {
  readonly #outcomes = new Map<string, number>()
  readonly #newAttempt: () => Attempt
  #cases = 0

  /** An attempt may keep something for the second one of the same case; each case gets its own. */
  constructor(newAttempt: () => Attempt) {
    this.#newAttempt = newAttempt
  }

  async check(runs: number, fixed: Partial<Scenario>): Promise<void> {
    const property = fc.asyncProperty(scenarios, async (scenario) => {
      // Lets the collector's callbacks run, which give back memory of forgotten fields.
      if (++this.#cases % 64 === 0) await settled(true)
      await this.#play({ ...scenario, ...fixed })
    })
    await fc.assert(property, { ...propertyOptions(runs), timeout: CASE_TIMEOUT_MS })
  }

  /** Fails unless every one of these ways to end was seen: cases that all end alike would be worth little. */
  expectSeen(...outcomes: string[]): void {
    // With a path only the one case has run.
    if (process.env.FERRY_PATH === undefined)
      expect([...this.#outcomes.keys()]).toEqual(expect.arrayContaining(outcomes))
  }

  /** An attempt under faults; if that fails, the source is unharmed and an attempt without faults succeeds. */
  async #play(scenario: Scenario): Promise<void> {
    const attempt = this.#newAttempt()
    const world = new ScenarioWorld(scenario)
    try {
      world.start()
      const error = await attempt(world, 1).then(
        () => undefined,
        (error) => error,
      )
      const code = errorCode(error)
      const outcome = error === undefined ? 'success' : String(code)
      this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
      if (error !== undefined) {
        const isFaultless = scenario.faults === 'none' && !scenario.corrupts
        if (!EXPECTED.has(code) || (isFaultless && code !== 'ABORTED')) throw error
        await world.expectUnharmed()
        world.heal()
        if (!scenario.keepsOrder) world.order = world.newOrder()
        await attempt(world, 2)
      }
      await world.expectEqual()
      await world.finish()
    } finally {
      await world.close()
    }
  }
}
