// Runs seeds against one planted bug, in a process of its own: `run-one.mjs BUNDLE SEED RUNS`. Prints the first seed that notices, or nothing.
import { pathToFileURL } from 'node:url'
import { hearing, host } from '../host.mjs'

const [bundle, seed, runs] = process.argv.slice(2)
const { simulateSeeds } = await import(pathToFileURL(bundle).href)
const options = { seed: Number(seed), runs: Number(runs), goOn: false, shrinks: false }
const { failures } = await hearing(() => simulateSeeds(options, host))
if (failures.length > 0) console.log(JSON.stringify({ seed: failures[0].seed, law: failures[0].report.violation.law }))
process.exit()
