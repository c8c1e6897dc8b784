import { runScenario, type ScenarioName } from './scenarios.ts'
import { listCases, runCase } from './suites.ts'

/** What a worker can be asked for: the names of a suite's cases, one case, or a scenario. */
export type Call =
  | { readonly op: 'list'; readonly suite: string }
  | { readonly op: 'case'; readonly suite: string; readonly index: number }
  | { readonly op: 'scenario'; readonly name: ScenarioName; readonly args: unknown[] }

export interface NumberedCall {
  readonly id: number
  readonly call: Call
}

export interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** Carries out a call where this code runs. */
export async function carryOut(call: Call): Promise<unknown> {
  if (call.op === 'list') return listCases(call.suite)
  if (call.op === 'case') return runCase(call.suite, call.index)
  return runScenario(call.name, call.args)
}

/** Answers calls that come by a port. */
function serve(port: MessagePort): void {
  port.onmessage = async ({ data: { id, call } }: MessageEvent<NumberedCall>) => {
    try {
      port.postMessage({ id, value: await carryOut(call) } satisfies Answer)
    } catch (error) {
      port.postMessage({ id, error: error instanceof Error ? String(error.stack) : String(error) } satisfies Answer)
    }
  }
}

const scope = globalThis as unknown as MessagePort & { document?: unknown; onconnect?: (event: MessageEvent) => void }
if (scope.document === undefined) {
  if ('onconnect' in scope) scope.onconnect = ({ ports }) => serve(ports[0])
  else serve(scope)
}
