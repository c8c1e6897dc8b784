// Plants bugs in the simulated code, one at a time, and counts the seeds until a run breaks a promise.
import { fork } from 'node:child_process'
import { rmSync } from 'node:fs'
import { setPriority } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleSimulator } from './bundle.mjs'
import { loadMutants } from './mutants/load.mjs'

const WORKERS = 1

/** A run takes milliseconds: one that goes on for so long goes on for ever. */
const LONGEST_SEED_MS = 20_000

const worker = join(dirname(fileURLToPath(import.meta.url)), 'mutants/worker.mjs')

/**
 * `only`: names, or none for all. Never touches the work tree: the bug is put into what is bundled.
 * @returns the exit code: 1 when one of them lives
 */
export async function runMutants({ only = [], holes, seed, runs, json }) {
  const all = await loadMutants({ holes })
  const unknown = only.filter((name) => !all.some((mutant) => mutant.name === name))
  if (unknown.length > 0) throw new Error(`no planted bug is called ${unknown.join(', ')}`)
  const waiting = all.filter(({ name }) => only.length === 0 || only.includes(name))
  const results = new Map()
  const work = async () => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const result = await tryMutant(mutant, seed, runs)
      results.set(mutant.name, result)
      if (!json) console.error(`${mutant.name}: ${text(result)}`)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
  const mutants = all
    .filter(({ name }) => results.has(name))
    .map(({ name, file, scenario }) => ({ name, file, scenario, ...results.get(name) }))
  const report = { seed, runs, ...summary(mutants), mutants }
  if (json) console.log(JSON.stringify(report, undefined, 2))
  else print(report)
  return report.killed === report.planted ? 0 : 1
}

async function tryMutant(mutant, seed, runs) {
  let isPlanted = false
  const bundle = await bundleSimulator(`mutant-${mutant.name}`, (path, source) => {
    if (path !== mutant.file) return undefined
    isPlanted = source.split(mutant.find).length === 2
    return source.replace(mutant.find, () => mutant.replace)
  })
  try {
    // The code has changed since: nobody knows whether it would be found now.
    if (!isPlanted) return { killed: false, seeds: 0, message: `Its place is not in ${mutant.file} exactly once.` }
    return await untilItBreaks(bundle, { seed, runs, scenario: mutant.scenario ?? '' })
  } finally {
    rmSync(bundle)
  }
}

/** A process of its own: some bugs eat its memory, or never come back. */
function untilItBreaks(bundle, { seed, runs, scenario }) {
  return new Promise((resolve, reject) => {
    const child = fork(worker, [bundle, String(seed), String(runs), scenario], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    setPriority(child.pid, 10)
    let done = 0
    let result
    let timer
    const watch = () => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        result = { law: 'every run ends', message: `No end after ${LONGEST_SEED_MS / 1000} seconds.` }
        child.kill('SIGKILL')
      }, LONGEST_SEED_MS)
    }
    watch()
    child.on('message', (message) => {
      watch()
      if (message.result) result = message.result
      else done = message.done
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      result ??= { law: 'every run ends', message: `The process ended with ${signal ?? code}.` }
      resolve(result.law === undefined ? { killed: false, seeds: done } : { killed: true, seeds: done + 1, ...result })
    })
  })
}

function summary(mutants) {
  const seeds = mutants.filter(({ killed }) => killed).map(({ seeds }) => seeds)
  seeds.sort((left, right) => left - right)
  const medianSeeds = seeds.length === 0 ? undefined : seeds[(seeds.length - 1) >> 1]
  return { planted: mutants.length, killed: seeds.length, medianSeeds, mostSeeds: seeds.at(-1) }
}

function text({ killed, seeds, law, message }) {
  if (killed) return `${seeds} seeds, "${law}": ${message}`
  return seeds === 0 ? message : `lives after ${seeds} seeds`
}

function print({ seed, planted, killed, medianSeeds, mostSeeds, mutants }) {
  const width = Math.max(...mutants.map(({ name }) => name.length))
  for (const { name, scenario, killed, seeds, law } of mutants) {
    const where = scenario ? ` (only "${scenario}" was run)` : ''
    console.log(`${name.padEnd(width)}  ${String(seeds).padStart(6)}  ${killed ? law : 'LIVES'}${where}`)
  }
  console.log(
    `${killed} of ${planted} planted bugs killed from seed ${seed}, median ${medianSeeds ?? 'no'} seeds, at most ${mostSeeds ?? 'no'}`,
  )
}
