// Counts the seeds until a run breaks a promise, with a bug planted in what is bundled.
import { fork } from 'node:child_process'
import { rmSync } from 'node:fs'
import { setPriority } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleSimulator } from '../bundle.mjs'

/** A run takes milliseconds, and ends after so many steps at the latest: only one that never gives a turn back goes on for so long. */
const LONGEST_SEED_MS = 60_000

const worker = join(dirname(fileURLToPath(import.meta.url)), 'worker.mjs')

/** @returns what broke, and after how many seeds; without a law when nothing did */
export async function simulateMutant({ name, file, find, replace, scenario = '' }, { seed, runs }) {
  const bundle = await bundleSimulator(`mutant-${name}`, (path, source) =>
    path === file ? source.replace(find, () => replace) : undefined,
  )
  try {
    return await untilItBreaks(bundle, { seed, runs, scenario })
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
        result = { law: 'every run ends', message: `No end after ${LONGEST_SEED_MS / 1000} seconds.`, timedOut: true }
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
      resolve(result.law === undefined ? { seeds: done } : { seeds: done + 1, ...result })
    })
  })
}
