import fc from 'fast-check'
import { describe, it } from 'vitest'
import { ArrivalRun, type Conditions, type Step } from '../support/arrival-run.ts'
import { propertyOptions } from '../support/seed.ts'

const what = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('read', 'write', 'arrive') },
  { weight: 2, arbitrary: fc.constantFrom('invalidate', 'arrive in part') },
  { weight: 1, arbitrary: fc.constantFrom('zero', 'arrive zeroed', 'available', 'fail', 'resume', 'resume') },
) as fc.Arbitrary<Step['what']>

const step = (abortMs: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
  fc.record({
    what,
    from: fc.nat(2200),
    length: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 400, max: 1100 })),
    blocks: fc.nat(31),
    afterMs: fc.constantFrom(0, 0, 1, 2, 3),
    abortMs,
  })

const calm = {
  steps: fc.array(step(fc.constant(8)), { minLength: 1, maxLength: 24, size: 'max' }),
  faults: fc.constant(0),
}
const rough = {
  steps: fc.array(step(fc.nat(20)), { minLength: 1, maxLength: 24, size: 'max' }),
  faults: fc.constantFrom(0, 0.1, 0.3),
}

/** Each case ends with every call answered, so a case that passes has also shown that nobody waits for ever. */
async function check(steps: readonly Step[], conditions: Conditions): Promise<void> {
  await new ArrivalRun(conditions).run(steps)
}

/** A thousand cases take a second where nothing else runs. */
const TIMEOUT_MS = 120_000

describe('under random interleavings of reads, writes, arrivals, invalidations and lost peers, a waiting cache', () => {
  it(
    'returns nothing out of date, loses no write and answers every call',
    async () => {
      await fc.assert(
        fc.asyncProperty(calm.steps, calm.faults, fc.nat(), (steps, faults, seed) => check(steps, { seed, faults })),
        propertyOptions(5000),
      )
    },
    TIMEOUT_MS,
  )

  it(
    'does so too when storages fail and callers give up',
    async () => {
      await fc.assert(
        fc.asyncProperty(rough.steps, rough.faults, fc.nat(), (steps, faults, seed) => check(steps, { seed, faults })),
        propertyOptions(5000),
      )
    },
    TIMEOUT_MS,
  )
})
