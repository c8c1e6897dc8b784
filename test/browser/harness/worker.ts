import { runCase } from './suites.ts'

/** Asks for one case to be run. */
export interface SuiteCall {
  readonly id: number
  readonly suite: string
  readonly index: number
}

/** How it went: no `failure` when the case holds. */
export interface SuiteReply {
  readonly id: number
  readonly failure: string | undefined
}

self.onmessage = async ({ data }: MessageEvent<SuiteCall>) => {
  const failure = await runCase(data.suite, data.index)
  self.postMessage({ id: data.id, failure } satisfies SuiteReply)
}
