import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { type VirtualMove, virtualMove } from './virtual-move.ts'
import { type WriteTrace, writeTraces } from './write-traces.ts'

const BLOCKS = 2 ** 18
const TOY_BLOCKS = 2 ** 12

async function moveEach(
  share: number,
  toy: boolean,
  strategy: 'auto' | 'pre-copy',
): Promise<[WriteTrace, VirtualMove][]> {
  const moves: [WriteTrace, VirtualMove][] = []
  for (const trace of writeTraces(toy ? TOY_BLOCKS : BLOCKS)) {
    if (toy && trace.blocks > TOY_BLOCKS) continue
    moves.push([trace, await virtualMove(trace, share, strategy)])
  }
  return moves
}

/** Bytes sent over the least that any order could have sent: the worst trace. In virtual time, so that every run is the same. */
async function regret(share: number, toy: boolean): Promise<BenchmarkResult> {
  const moves = await moveEach(share, toy, 'auto')
  const each = moves.map(([{ name, blocks }, { regret, result }]) => {
    const after = Math.round((result.missingBlocks / blocks) * 100)
    return `${name} ${regret.toFixed(3)} (${after} % after the hand-over, pause ${result.pauseMs.toFixed(1)} ms)`
  })
  return {
    value: Math.max(...moves.map(([, { regret }]) => regret)),
    unit: 'x',
    limit: 1,
    ratio: 1 / Math.max(...moves.map(([, { regret }]) => regret)),
    runs: 1,
    spread: 0,
    note: each.join('; '),
  }
}

/** Traces that do not finish while blocks become dirty three times as fast as the link sends. */
async function finish(toy: boolean): Promise<BenchmarkResult> {
  let unfinished = 0
  const each: string[] = []
  for (const strategy of ['auto', 'pre-copy'] as const) {
    for (const trace of writeTraces(toy ? TOY_BLOCKS : BLOCKS)) {
      if (toy && trace.blocks > TOY_BLOCKS) continue
      try {
        const { result } = await virtualMove(trace, 3, strategy)
        each.push(
          `${strategy} ${trace.name} ${(result.durationMs / 1000).toFixed(1)} s, pause ${Math.round(result.pauseMs)} ms`,
        )
      } catch (error) {
        unfinished++
        each.push(`${strategy} ${trace.name}: ${String(error)}`)
      }
    }
  }
  return {
    value: unfinished,
    unit: 'unfinished',
    limit: null,
    ratio: null,
    runs: each.length,
    spread: 0,
    note: each.join('; '),
  }
}

export const benchmarks: Benchmark[] = [
  { name: 'regret-50', environment: 'node', run: ({ toy }) => regret(0.5, toy) },
  { name: 'regret-90', environment: 'node', run: ({ toy }) => regret(0.9, toy) },
  { name: 'finish-300', environment: 'node', run: ({ toy }) => finish(toy) },
]
