// `npm run simulate`: runs seeds of the simulator, or the planted bugs.
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { buildKernels, checkNode, ensureInstalled, fail } from '../../demo/install.mjs'
import { hearing, host } from './host.mjs'
import { simulateInJobs } from './jobs.mjs'

const USAGE =
  'usage: npm run simulate -- [--seed N] [--runs M] [--scenario NAME] [--jobs N] [--json] [--log] [--go-on] [--no-shrink] | --mutants [--only NAME]... [--runs M]'

checkNode()
const flags = readFlags()
ensureInstalled()
if (!buildKernels()) fail('the kernels could not be built; the message is above')
const { bundleSimulator } = await import('./bundle.mjs')

if (flags.mutants) {
  const { runMutants } = await import('./mutants.mjs')
  process.exitCode = await runMutants({
    only: flags.only,
    seed: flags.seed,
    runs: flags.runs ?? 20_000,
    json: flags.json,
  })
} else {
  const bundle = await bundleSimulator('simulator')
  const load = () => import(pathToFileURL(bundle).href)
  if (flags.log) process.exitCode = await hearing(async () => replay(await load()))
  else if (flags.jobs > 1)
    process.exitCode = await run((options) => simulateInJobs(bundle, { ...options, jobs: flags.jobs }))
  else process.exitCode = await hearing(async () => run(alone(await load())))
}

function alone({ simulateSeeds }) {
  return (options) => simulateSeeds(options, host)
}

async function run(simulateAll) {
  const runs = flags.runs ?? 1000
  const progress = flags.json ? undefined : (done) => process.stderr.write(`${done} of ${runs} runs\n`)
  const options = {
    seed: flags.seed,
    runs,
    progress,
    goOn: flags.goOn,
    shrinks: flags.shrink,
    scenario: flags.scenario,
  }
  const report = await simulateAll(options)
  if (flags.json) console.log(JSON.stringify(report))
  else print(report)
  return report.failures.length > 0 ? 1 : 0
}

async function replay({ replaySeed }) {
  const report = await replaySeed(flags.seed, host, flags.scenario)
  for (const line of report.log) console.log(line)
  if (report.violation) console.log(`${report.violation.law}: ${report.violation.message}`)
  return report.violation ? 1 : 0
}

function print({ seed, runs, steps, virtualMs, trace, faults, scenarios, failures }) {
  for (const { seed, report } of failures) {
    console.log(`\nseed ${seed} (${report.scenario}) breaks "${report.violation.law}": ${report.violation.message}`)
    if (report.violation.stack) console.log(report.violation.stack)
    for (const line of report.log) console.log(line)
  }
  const counts = (record) =>
    Object.entries(record)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  if (Object.keys(faults).length > 0) console.log(`faults: ${counts(faults)}`)
  console.log(`scenarios: ${counts(scenarios)}`)
  console.log(
    `${runs} runs from seed ${seed}, ${failures.length} failed; ${steps} steps, ${Math.round(virtualMs / 1000)} virtual seconds, trace ${trace.toString(16)}`,
  )
}

function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        runs: { type: 'string' },
        jobs: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        log: { type: 'boolean', default: false },
        'go-on': { type: 'boolean', default: false },
        'no-shrink': { type: 'boolean', default: false },
        mutants: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true },
        scenario: { type: 'string' },
      },
    })
    const seed = number('seed', values.seed)
    const runs = values.runs === undefined ? undefined : number('runs', values.runs)
    const jobs = Math.max(1, number('jobs', values.jobs))
    return { ...values, seed, runs, jobs, goOn: values['go-on'], shrink: !values['no-shrink'] }
  } catch (error) {
    console.error(`${error.message} (${USAGE})`)
    process.exit(2)
  }
}

function number(name, text) {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new Error(`--${name} needs a whole number below 10^9, got "${text}"`)
}
