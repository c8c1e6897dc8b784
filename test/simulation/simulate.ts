import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { Choices, type Script } from './choices.ts'
import { ENDED } from './machine.ts'
import { tamePlatform } from './platform.ts'
import { scenarios } from './scenarios/index.ts'
import { Scheduler, type Settle } from './scheduler.ts'
import { Violation } from './violation.ts'
import { LONGEST_RUN_MS, World } from './world.ts'

/** What the host of a simulation does for it. */
export interface Host {
  /** Resolves when every promise that could settle has settled. */
  readonly settle: Settle
  /** Lets the host have a task of its own: collected garbage, uncaught errors. */
  readonly task: Settle
  /** Errors that nobody heard since the last call. */
  readonly takeUnheard: () => readonly unknown[]
}

/** Every decision of a run, in two lists, so that one can be shortened without moving the other. */
export interface Decisions {
  readonly plan: Script
  readonly course: Script
  /** The one scenario that was to be run. */
  readonly only?: string | undefined
}

/** How one run went. */
export interface RunReport {
  readonly scenario: string
  /** Undefined when every promise was kept. */
  readonly violation: { readonly law: string; readonly message: string; readonly stack: string | undefined } | undefined
  readonly steps: number
  readonly virtualMs: number
  /** A hash over all that happened, and when. */
  readonly trace: number
  readonly faults: readonly string[]
  readonly decisions: Decisions
  readonly log: readonly string[]
}

let startAnew: (() => void) | undefined

/** To be awaited before the first run, so that each finds the realm as the one before did. */
export async function prepare(): Promise<void> {
  startAnew ??= tamePlatform()
  await createBlockHasher()
}

/** One run: of a seed, or of decisions recorded before. */
export async function simulate(
  from: number | Decisions,
  host: Host,
  options: { logging?: boolean; only?: string | undefined } = {},
): Promise<RunReport> {
  startAnew?.()
  const isSeed = typeof from === 'number'
  const plan = new Choices(isSeed ? 2 * from : from.plan)
  const course = new Choices(isSeed ? 2 * from + 1 : from.course)
  const scheduler = new Scheduler(course, host.settle, options.logging ?? false)
  const only = isSeed ? options.only : from.only
  const scenario = pickScenario(plan, only)
  let world: World | undefined
  let broken: unknown
  try {
    world = new World(scheduler, { plan, course })
    let isDone = false
    const running = scenario.run(world).then(
      () => {
        isDone = true
      },
      (error: unknown) => scheduler.report(error),
    )
    await scheduler.run(() => isDone, LONGEST_RUN_MS)
    await running
  } catch (error) {
    broken = error
  }
  const { steps, nowMs, trace, log } = scheduler
  const written = [...log]
  await host.task()
  const unheard = host.takeUnheard().filter((error) => !isOfTheDead(error))
  if (broken === undefined && unheard.length > 0) broken = unheard[0]
  await world?.end()
  await host.task()
  host.takeUnheard()
  return {
    scenario: scenario.name,
    violation: broken === undefined ? undefined : violationOf(broken),
    steps,
    virtualMs: Math.round(nowMs),
    trace,
    faults: [...(world?.happened ?? [])],
    decisions: { plan: plan.taken, course: course.taken, only },
    log: written,
  }
}

/** What is left of a killed process hears of its end, over and over. */
function isOfTheDead(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause.message === ENDED) return true
  return false
}

function violationOf(error: unknown): NonNullable<RunReport['violation']> {
  if (error instanceof Violation) return { law: error.law, message: error.message, stack: undefined }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { law: 'no error is unheard', message, stack: error instanceof Error ? error.stack : undefined }
}

/** `only`: the name of one; then every run is of it. */
function pickScenario(plan: Choices, only: string | undefined): (typeof scenarios)[number] {
  const allowed = only === undefined ? scenarios : scenarios.filter(({ name }) => name === only)
  if (allowed.length === 0) throw new TypeError(`there is no scenario "${only}"`)
  return allowed[plan.below(scenarios.length) % allowed.length]!
}
