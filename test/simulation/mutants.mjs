// Plants bugs, one at a time: in the simulated code, and counts the seeds until a run breaks a promise, or beneath the tests that are to find it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { project } from '../../demo/install.mjs'
import { loadMutants } from './mutants/load.mjs'
import { simulateMutant } from './mutants/simulated.mjs'
import { testMutant } from './mutants/tested.mjs'

const WORKERS = 2

/**
 * `only`: names, or none for all. Never touches the work tree: the bug is put into what is bundled or loaded.
 * @returns the exit code: 1 when one of them lives
 */
export async function runMutants({ only = [], seed, runs, json }) {
  const all = await loadMutants()
  const unknown = only.filter((name) => !all.some((mutant) => mutant.name === name))
  if (unknown.length > 0) throw new Error(`no planted bug is called ${unknown.join(', ')}`)
  const waiting = all.filter(({ name }) => only.length === 0 || only.includes(name))
  const results = new Map()
  const work = async () => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const result = await tryMutant(mutant, { seed, runs })
      results.set(mutant.name, { killed: result.law !== undefined, ...result })
      if (!json) console.error(`${mutant.name}: ${text(results.get(mutant.name))}`)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
  const mutants = all
    .filter(({ name }) => results.has(name))
    .map(({ name, file, scenario, killedBy }) => ({ name, file, scenario, killedBy, ...results.get(name) }))
  const report = { seed, runs, ...summary(mutants), mutants }
  if (json) console.log(JSON.stringify(report, undefined, 2))
  else print(report)
  return report.killed === report.planted ? 0 : 1
}

async function tryMutant(mutant, { seed, runs }) {
  const { file, find, killedBy } = mutant
  // The code has changed since: nobody knows whether it would be found now.
  const isThere = readFileSync(join(project, file), 'utf8').split(find).length === 2
  if (!isThere) return { message: `Its place is not in ${file} exactly once.` }
  return killedBy ? testMutant(mutant) : simulateMutant(mutant, { seed, runs })
}

function summary(mutants) {
  const killed = mutants.filter(({ killed }) => killed)
  const seeds = killed.filter(({ killedBy }) => !killedBy).map(({ seeds }) => seeds)
  seeds.sort((left, right) => left - right)
  return {
    planted: mutants.length,
    killed: killed.length,
    bySimulator: seeds.length,
    byTests: killed.length - seeds.length,
    timedOut: killed.filter(({ timedOut }) => timedOut).length,
    medianSeeds: seeds[(seeds.length - 1) >> 1],
    mostSeeds: seeds.at(-1),
  }
}

function text({ killed, seeds, law, message }) {
  if (killed) return `${seeds === undefined ? '' : `${seeds} seeds, `}"${law}": ${message}`
  return message ?? (seeds === undefined ? 'lives' : `lives after ${seeds} seeds`)
}

function print({ seed, mutants, ...sums }) {
  const width = Math.max(...mutants.map(({ name }) => name.length))
  for (const { name, scenario, killedBy, killed, seeds, law } of mutants) {
    const where = killedBy ? ` (${killedBy})` : scenario ? ` (only "${scenario}" was run)` : ''
    console.log(`${name.padEnd(width)}  ${String(seeds ?? 'test').padStart(6)}  ${killed ? law : 'LIVES'}${where}`)
  }
  const { planted, killed, bySimulator, byTests, timedOut, medianSeeds, mostSeeds } = sums
  console.log(
    `${killed} of ${planted} planted bugs killed: ${bySimulator} by the simulator from seed ${seed}, median ${medianSeeds ?? 'no'} seeds, at most ${mostSeeds ?? 'no'}, of them ${timedOut} by runs that never end; ${byTests} by tests`,
  )
}
