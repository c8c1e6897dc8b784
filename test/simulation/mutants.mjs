// Plants bugs into a bundle of the simulator, one at a time, and looks whether it notices. The work tree stays as it is.
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bundleSimulator } from './bundle.mjs'

/** A planted bug that makes a run endless is noticed by this; runs are bounded in virtual time only. */
const SILENCE_MS = 120_000

export const planted = JSON.parse(readFileSync(new URL('./mutants/planted.json', import.meta.url), 'utf8'))

/** Returns the exit code: 0 when every bug was noticed. */
export async function runMutants({ only, seed, runs, json }) {
  const chosen = only ? planted.filter(({ name }) => only.includes(name)) : planted
  const results = []
  for (const [index, mutant] of chosen.entries()) {
    const result = await tryMutant(mutant, { seed, runs, bundle: `mutant-${process.pid}` })
    results.push(result)
    if (!json) console.log(`${index + 1}/${chosen.length} ${line(result)}`)
  }
  const seeds = results.filter(({ killed }) => killed).map(({ seeds }) => seeds)
  const median = seeds.sort((a, b) => a - b)[Math.floor(seeds.length / 2)]
  const summary = { mutants: results.length, killed: seeds.length, medianSeeds: median ?? null, results }
  if (json) console.log(JSON.stringify(summary))
  else console.log(`${seeds.length} of ${results.length} planted bugs killed, median of ${median} seeds`)
  return seeds.length === results.length && results.length > 0 ? 0 : 1
}

async function tryMutant({ name, file, find, replace }, { seed, runs, bundle }) {
  let applied = 0
  const path = await bundleSimulator(bundle, (changed, text) => {
    if (changed !== file) return undefined
    applied += text.split(find).length - 1
    // As a function, so that no $ in the replacement means anything.
    return text.replace(find, () => replace)
  })
  if (applied !== 1) throw new Error(`"${name}": its text is ${applied} times in ${file}, and must be there once`)
  try {
    const { text, isSilent, code } = await child([path, String(seed), String(runs)])
    if (isSilent || (code !== 0 && text === ''))
      return { name, killed: true, seeds: 1, law: isSilent ? 'endless' : 'crash' }
    if (text === '') return { name, killed: false, seeds: runs }
    const found = JSON.parse(text)
    return { name, killed: true, seeds: found.seed - seed + 1, law: found.law }
  } finally {
    rmSync(path, { force: true })
  }
}

function child(args) {
  return new Promise((resolve, reject) => {
    const program = fileURLToPath(new URL('./mutants/run-one.mjs', import.meta.url))
    const running = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
    let text = ''
    let isSilent = false
    const late = setTimeout(() => {
      isSilent = true
      running.kill('SIGKILL')
    }, SILENCE_MS)
    running.stdout.on('data', (bytes) => {
      text += bytes
    })
    running.on('error', reject)
    running.on('close', (code) => {
      clearTimeout(late)
      resolve({ text: text.trim(), isSilent, code })
    })
  })
}

function line({ name, killed, seeds, law }) {
  return killed ? `killed after ${seeds} seeds (${law}): ${name}` : `SURVIVED ${seeds} seeds: ${name}`
}
