// `npm run bench`: compiles the benchmarks to plain JavaScript and runs each in a Node process of its own.
import { fork, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { buildKernels, checkNode, ensureInstalled, fail, project } from '../../demo/install.mjs'
import { findChromium } from '../support/find-chromium.mjs'

/** The longest benchmark takes about a minute; one that hangs must still end. */
const LONGEST_BENCHMARK_MS = 10 * 60_000

const compiled = join(project, 'build/bench/test/bench')
const goals = JSON.parse(readFileSync(new URL('goals.json', import.meta.url), 'utf8'))

checkNode()
const { only, json, toy } = readFlags()
ensureInstalled()
compile()
const chosen = choose(await list(), only)
if (chosen.some(({ environment }) => environment === 'chromium')) {
  process.env.CHROMIUM_PATH = await findChromium({ install: true })
}

let failed = false
const rows = []
for (const { file, name } of chosen) {
  try {
    if (!json) process.stderr.write(`${name} ...\n`)
    const result = await runBenchmark(file, name)
    if (json) printJson(name, result)
    else rows.push(row(name, result))
    if (!toy && verdict(name, result) === 'MISSED') failed = true
  } catch (error) {
    failed = true
    console.error(`${name} failed: ${error.message}`)
  }
}
if (!json) printTable(rows)
process.exitCode = failed ? 1 : 0

function readFlags() {
  try {
    const options = { only: { type: 'string', multiple: true }, json: { type: 'boolean' }, toy: { type: 'boolean' } }
    return parseArgs({ options }).values
  } catch (error) {
    console.error(`${error.message} (usage: npm run bench -- [--only NAME]... [--json] [--toy])`)
    process.exit(2)
  }
}

function compile() {
  if (!buildKernels()) fail('the kernels could not be built; the message is above')
  const args = [join(project, 'node_modules/typescript/bin/tsc'), '-p', 'test/bench']
  // Standard output belongs to the results.
  const { status } = spawnSync(process.execPath, args, { cwd: project, stdio: ['ignore', 2, 2] })
  if (status !== 0) fail('the benchmarks do not compile')
  // The compiler leaves files that are JavaScript already where they are.
  const support = join(project, 'build/bench/test/support')
  mkdirSync(support, { recursive: true })
  for (const name of readdirSync(join(project, 'test/support')).filter((name) => name.endsWith('.mjs'))) {
    copyFileSync(join(project, 'test/support', name), join(support, name))
  }
}

/** Every benchmark of every file, in the order of the table. */
async function list() {
  const found = []
  for (const source of readdirSync(join(project, 'test/bench')).filter((name) => name.endsWith('.bench.ts'))) {
    const file = source.replace(/\.ts$/, '.js')
    const { benchmarks } = await import(pathToFileURL(join(compiled, file)).href)
    for (const { name, environment } of benchmarks) found.push({ file, name, environment })
  }
  const names = Object.keys(goals)
  const place = ({ name }) => (names.includes(name) ? names.indexOf(name) : names.length)
  return found.sort((a, b) => place(a) - place(b))
}

function choose(all, names) {
  if (names === undefined) return all
  const unknown = names.filter((name) => !all.some((benchmark) => benchmark.name === name))
  if (unknown.length === 0) return all.filter(({ name }) => names.includes(name))
  console.error(`no benchmark "${unknown.join('", "')}"; there are ${all.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

function runBenchmark(file, name) {
  return new Promise((resolve, reject) => {
    const child = fork(join(compiled, 'child.js'), [`./${file}`, name, ...(toy ? ['--toy'] : [])], {
      cwd: project,
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 2, 2, 'ipc'],
    })
    let result
    const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_BENCHMARK_MS)
    child.on('message', (message) => {
      result = message
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      if (result !== undefined && code === 0) resolve(result)
      else reject(new Error(signal === null ? `exit code ${code}` : `ended by ${signal}`))
    })
  })
}

function printJson(name, { value, unit, limit, ratio, runs, spread }) {
  console.log(JSON.stringify({ name, value, unit, limit, ratio, runs, spread }))
}

/** `aim`, `must` or `MISSED`; empty where the table asks for nothing. */
function verdict(name, { value, ratio }) {
  const goal = goals[name]
  if (goal === undefined) return ''
  const got = goal.of === 'ratio' ? ratio : value
  const reaches = (number, limit, better) => (better === 'higher' ? number >= limit : number <= limit)
  if (!reaches(got, goal.must, goal.better)) return 'MISSED'
  const reachesAim =
    goal.aimRatio === undefined ? reaches(got, goal.aim, goal.better) : reaches(ratio, goal.aimRatio, 'higher')
  return reachesAim ? 'aim' : 'must'
}

function row(name, result) {
  const goal = goals[name] ?? {}
  const wanted = (number) =>
    number === undefined ? '' : goal.of === 'ratio' ? String(number) : `${number} ${goal.unit}`
  const aim = goal.aimRatio === undefined ? wanted(goal.aim) : `ratio ${goal.aimRatio}`
  const { value, unit, limit, ratio, spread, note } = result
  const cells = [
    name,
    `${digits(value)} ${unit}`,
    limit === null ? '-' : `${digits(limit)} ${unit}`,
    ratio === null ? '-' : ratio.toFixed(2),
    wanted(goal.must),
    aim,
    toy ? 'toy' : verdict(name, result),
    `±${Math.round(spread * 50)} %`,
  ]
  return { cells, note }
}

function digits(number) {
  return Math.abs(number) >= 100 ? number.toFixed(0) : String(Number(number.toPrecision(3)))
}

function printTable(rows) {
  const head = ['name', 'ours', 'raw limit', 'ratio', 'must', 'aim', 'verdict', 'spread']
  const all = [head, ...rows.map(({ cells }) => cells)]
  const widths = head.map((_, column) => Math.max(...all.map((cells) => cells[column].length)))
  const line = (cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd()
  console.log(line(head))
  for (const { cells, note } of rows) {
    console.log(line(cells))
    if (note !== undefined) console.log(`  ${note}`)
  }
}
