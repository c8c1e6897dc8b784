// Seeds in several processes at once, each a range of them; the report is the one of a single process.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const self = fileURLToPath(import.meta.url)

/** As `simulateSeeds` of the bundle, in `jobs` processes. */
export async function simulateInJobs(bundle, { jobs, progress, ...options }) {
  const { seed, runs } = options
  const share = Math.ceil(runs / jobs)
  const done = new Map()
  const hear = (first, count) => {
    done.set(first, count)
    progress?.([...done.values()].reduce((sum, count) => sum + count, 0))
  }
  const ranges = Array.from({ length: jobs }, (_, job) => job * share).filter((from) => from < runs)
  const reports = await Promise.all(
    ranges.map((from) =>
      inProcess({ bundle, options: { ...options, seed: seed + from, runs: Math.min(share, runs - from) } }, (count) =>
        hear(from, count),
      ),
    ),
  )
  return reports.reduce(together)
}

function inProcess(work, progress) {
  return new Promise((resolve, reject) => {
    let report
    const child = fork(self, [JSON.stringify(work)])
    child.on('message', (message) => {
      if (message.report) report = message.report
      else progress(message.done)
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      if (report) resolve(report)
      else reject(new Error(`the process of seeds from ${work.options.seed} on ended with ${signal ?? code}`))
    })
  })
}

function together(one, other) {
  return {
    seed: one.seed,
    runs: one.runs + other.runs,
    steps: one.steps + other.steps,
    virtualMs: one.virtualMs + other.virtualMs,
    trace: (one.trace + other.trace) >>> 0,
    faults: counted(one.faults, other.faults),
    scenarios: counted(one.scenarios, other.scenarios),
    failures: [...one.failures, ...other.failures],
  }
}

function counted(one, other) {
  const sums = { ...one }
  for (const [name, count] of Object.entries(other)) sums[name] = (sums[name] ?? 0) + count
  return sums
}

if (process.argv[1] === self) {
  const { pathToFileURL } = await import('node:url')
  const { hearing, host } = await import('./host.mjs')
  const { bundle, options } = JSON.parse(process.argv[2])
  const { simulateSeeds } = await import(pathToFileURL(bundle).href)
  const progress = (done) => process.send({ done })
  const report = await hearing(() => simulateSeeds({ ...options, progress }, host))
  await new Promise((sent) => process.send({ report }, sent))
  process.exit(0)
}
