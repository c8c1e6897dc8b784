import { seededRandom } from '../../src/async/random.ts'
import type { Coverage } from './coverage.ts'
import { mutate } from './mutate.ts'
import type { FuzzTarget } from './target.ts'

/** Inputs between two questions for what ran: the questions then take less time than the runs. */
const BATCH = 2048

/** Tries to make a finding smaller. */
const SHRINKS = 3000

/** An input that breaks a law. */
export interface Finding {
  readonly bytes: Uint8Array
  readonly error: unknown
}

/** How a campaign goes. */
export interface Campaign {
  readonly target: FuzzTarget
  readonly coverage: Coverage
  /** Inputs of earlier campaigns. */
  readonly corpus: readonly Uint8Array[]
  readonly seed: number
  /** Whether to go on; asked between batches. */
  goesOn(): boolean
  /** Called before each run, so that an input that never ends is known. */
  trying(bytes: Uint8Array): void
  /** Called for each input that reached new code. */
  kept(bytes: Uint8Array): void
}

/** What came of a campaign. */
export interface CampaignReport {
  readonly runs: number
  /** Parts of the code that the seeds reached, and all. */
  readonly placesOfSeeds: number
  readonly places: number
  readonly kept: number
  readonly finding: Finding | undefined
}

/**
 * Mutates inputs, keeps those that reach new code, and goes on from these, until the time is over or a law is broken. Coverage is asked for after a
 * batch; only when it is new is the batch halved to see whose it is.
 */
export async function runCampaign(campaign: Campaign): Promise<CampaignReport> {
  const { target, coverage } = campaign
  const random = seededRandom(campaign.seed)
  const corpus = [...target.seeds]
  let runs = 0
  let finding: Finding | undefined
  const run = async (bytes: Uint8Array): Promise<boolean> => {
    campaign.trying(bytes)
    runs++
    const error = await errorOf(target, bytes)
    if (error !== undefined) finding ??= { bytes, error }
    return error === undefined
  }
  const report = (placesOfSeeds: number): CampaignReport => ({
    runs,
    placesOfSeeds,
    places: coverage.places,
    kept: corpus.length - target.seeds.length,
    finding,
  })

  /** Runs inputs, and where they reach new code once more each half of them, until it is known whose it is. */
  const explore = async (inputs: readonly Uint8Array[]): Promise<void> => {
    for (const bytes of inputs) if (!(await run(bytes))) return
    const fresh = coverage.fresh()
    if (fresh.length === 0) return
    if (inputs.length === 1) {
      coverage.learn(fresh)
      corpus.push(inputs[0]!)
      campaign.kept(inputs[0]!)
      return
    }
    const half = inputs.length >> 1
    await explore(inputs.slice(0, half))
    await explore(inputs.slice(half))
  }

  // What ran before is nobody's.
  coverage.fresh()
  for (const seed of target.seeds) if (!(await run(seed))) return report(0)
  coverage.learn(coverage.fresh())
  const placesOfSeeds = coverage.places
  let batch = [...campaign.corpus]
  while (!finding && (batch.length > 0 || campaign.goesOn())) {
    const sources = { corpus, words: target.words ?? [], random }
    if (batch.length === 0) batch = Array.from({ length: BATCH }, () => mutate(sources))
    await explore(batch)
    batch = []
  }
  if (finding) finding = await shrink(target, finding, campaign.seed)
  return report(placesOfSeeds)
}

/** The smallest input found that breaks the same law. */
async function shrink(target: FuzzTarget, { bytes, error }: Finding, seed: number): Promise<Finding> {
  const random = seededRandom(seed)
  let smallest = { bytes, error }
  for (let attempt = 0; attempt < SHRINKS && smallest.bytes.length > 0; attempt++) {
    const { length } = smallest.bytes
    const at = Math.floor(random() * length)
    const cut = 1 + Math.floor(random() ** 2 * (length - at))
    const shorter = Uint8Array.from([...smallest.bytes.subarray(0, at), ...smallest.bytes.subarray(at + cut)])
    const found = await errorOf(target, shorter)
    if (found !== undefined && kindOf(found) === kindOf(error)) smallest = { bytes: shorter, error: found }
  }
  return smallest
}

async function errorOf(target: FuzzTarget, bytes: Uint8Array): Promise<unknown> {
  try {
    const running = target.run(bytes)
    if (running) await running
    return undefined
  } catch (error) {
    return error ?? new Error('something was thrown that is nothing')
  }
}

/** What an error says without the numbers in it. */
function kindOf(error: unknown): string {
  return String(error).replace(/[0-9a-f]+/g, '#')
}
