import type fc from 'fast-check'

/**
 * How a property runs. Each run takes a new seed, which a failure prints together with the path to the smallest case:
 * `FERRY_SEED=… FERRY_PATH=… npx vitest run <file> -t <name>` repeats it. `FERRY_RUNS` multiplies the number of cases.
 */
export function propertyOptions<Values>(runs: number): fc.Parameters<Values> {
  const { FERRY_SEED, FERRY_PATH, FERRY_RUNS } = process.env
  return {
    numRuns: Math.ceil(runs * Number(FERRY_RUNS ?? 1)),
    ...(FERRY_SEED === undefined ? {} : { seed: Number(FERRY_SEED) }),
    ...(FERRY_PATH === undefined ? {} : { path: FERRY_PATH, endOnFailure: true }),
  }
}
