import { listCases, runCase } from './suites.ts'

/** Asks for one case to be run, or without an index for the names of all. */
export interface SuiteCall {
  readonly id: number
  readonly suite: string
  readonly index: number | undefined
}

/** How it went: no `failure` when the case holds. */
export interface SuiteReply {
  readonly id: number
  readonly failure?: string | undefined
  readonly names?: string[]
}

self.onmessage = async ({ data: { id, suite, index } }: MessageEvent<SuiteCall>) => {
  const answer = index === undefined ? { names: listCases(suite) } : { failure: await runCase(suite, index) }
  self.postMessage({ id, ...answer } satisfies SuiteReply)
}
