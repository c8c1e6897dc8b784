import { errorMessage } from '../../src/errors/storage-error.ts'
import { shrink } from '../../test/simulation/shrink.ts'
import { prepare, type RunReport, simulate } from '../../test/simulation/simulate.ts'
import { browserHost } from './browser-host.ts'
import type { FromSimulator, Harvest, Story, ToSimulator } from './messages.ts'

/** The part of a dedicated worker's global scope that is used here; the page's types describe a window. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToSimulator>) => void) | null
  postMessage(message: FromSimulator): void
}

/** Milliseconds between two words to the page. */
const HARVEST_MS = 200

const scope = self as unknown as WorkerScope
const host = browserHost(self)

/** Changes with each command: whoever runs for an earlier one ends. */
let command = 0
let running: Promise<void> = Promise.resolve()

scope.onmessage = ({ data }) => {
  const own = ++command
  // One run at a time: they share the platform.
  running = running
    .then(() => obey(data, own))
    .catch((error: unknown) => scope.postMessage({ type: 'failed', message: errorMessage(error) }))
}

async function obey(message: ToSimulator, own: number): Promise<void> {
  await prepare()
  if (message.type === 'start') await runSeeds(message.seed, own)
  else if (message.type === 'stop') scope.postMessage({ type: 'stopped' })
  else {
    const report = await simulate(message.seed, host, { logging: true })
    scope.postMessage({ type: 'story', story: storyOf(message.seed, report, false) })
  }
}

async function runSeeds(first: number, own: number): Promise<void> {
  let harvest = emptyHarvest()
  let since = performance.now()
  for (let seed = first; own === command; seed++) {
    const report = await simulate(seed, host)
    harvest.runs++
    harvest.steps += report.steps
    harvest.virtualMs += report.virtualMs
    for (const fault of report.faults) harvest.faults[fault] = (harvest.faults[fault] ?? 0) + 1
    const now = performance.now()
    if (now - since >= HARVEST_MS || report.violation || own !== command) {
      harvest.ms = now - since
      scope.postMessage({ type: 'harvest', nextSeed: seed + 1, harvest: harvest satisfies Harvest })
      harvest = emptyHarvest()
      since = now
    }
    if (!report.violation) continue
    const plain = await shrink(report, host)
    const told = await simulate(plain.decisions, host, { logging: true })
    return scope.postMessage({ type: 'broken', story: storyOf(seed, told.violation ? told : report, true) })
  }
}

function emptyHarvest() {
  return { runs: 0, steps: 0, virtualMs: 0, ms: 0, faults: {} as Record<string, number> }
}

function storyOf(seed: number, { scenario, violation, steps, virtualMs, log }: RunReport, isShrunk: boolean): Story {
  const broken = violation && { law: violation.law, message: violation.message }
  return { seed, scenario, steps, virtualMs, broken, isShrunk, log }
}
