// `npm test`: installs and builds what is missing, runs every check, and ends with one plain line of counts.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildKernels, buildLibrary, checkNode, ensureInstalled, project } from '../demo/install.mjs'
import { countResults } from './support/count-results.mjs'
import { findChromium } from './support/find-chromium.mjs'

/** Everything together took from twenty to fifty-two minutes, as busy as the machine was; something that hangs must still end. */
const LONGEST_RUN_MS = 80 * 60_000

/** Fetching some 80 MB of packages from a slow server. */
const LONGEST_GUEST_MS = 5 * 60_000

const tally = { passed: 0, failed: 0, skipped: 0 }
let current

const tooLong = setTimeout(() => {
  console.error(`\nStopped: the run took longer than ${LONGEST_RUN_MS / 60_000} minutes`)
  stop()
  tally.failed++
  finish()
}, LONGEST_RUN_MS)
tooLong.unref()
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stop()
    tally.failed++
    finish()
  })
}

checkNode()
ensureInstalled()
// Building is no test of its own; that it fails is one failure.
if (!buildKernels()) report('the kernels do not build', false)
if (!buildLibrary()) report('the library does not build', false)
installFileSystemTools()
buildGuest()

report('type check', (await run('type check', ['node_modules/typescript/bin/tsc'])) === 0)
report('lint and format', (await run('lint and format', ['node_modules/@biomejs/biome/bin/biome', 'check'])) === 0)
await runVitest()
finish()

async function runVitest() {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-test-'))
  const results = join(folder, 'results.json')
  const flags = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`]
  const environment = { ...process.env }
  try {
    environment.CHROMIUM_PATH = await findChromium({ install: true })
  } catch (error) {
    console.error(error.message)
    tally.failed++
    flags.push('--project=node')
  }
  try {
    const status = await run(
      'tests',
      ['node_modules/vitest/vitest.mjs', 'run', ...flags, ...process.argv.slice(2)],
      environment,
    )
    const counts = countResults(existsSync(results) ? readFileSync(results, 'utf8') : undefined, status)
    for (const name of counts.skippedNames) console.log(`SKIPPED  ${name}`)
    for (const problem of counts.problems) console.error(`FAILED  ${problem}`)
    tally.passed += counts.passed
    tally.failed += counts.failed
    tally.skipped += counts.skippedNames.length
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The tests make and check real ext4 images. Where the tools cannot be had, those tests fail and say so. */
function installFileSystemTools() {
  const isThere = (tool) => ['', '/sbin/', '/usr/sbin/'].some((at) => !spawnSync(`${at}${tool}`, ['-V']).error)
  if (isThere('mkfs.ext4') && isThere('e2fsck')) return
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    console.error('mkfs.ext4 and e2fsck are missing: install e2fsprogs')
    return
  }
  console.log('Installing the Debian package e2fsprogs')
  const options = { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  spawnSync('apt-get', ['update', '-qq'], options)
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'e2fsprogs'], options)
}

/** The Linux that tests of the emulator boot. Where its packages cannot be had, those tests are skipped and say so. */
function buildGuest() {
  if (existsSync(join(project, 'build/guest/disk.img.gz')) || !existsSync('/usr/bin/apt-get')) return
  console.log('Building the Linux guest from Debian packages')
  spawnSync(process.execPath, [join(project, 'demo/guest/build.mjs')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: LONGEST_GUEST_MS,
  })
}

/** Runs a tool of the project and resolves with its exit code; what it prints goes through. */
function run(title, args, env = process.env) {
  console.log(`\n== ${title}`)
  return new Promise((resolve) => {
    const options = {
      cwd: project,
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: process.platform !== 'win32',
    }
    current = spawn(process.execPath, args, options)
    current.on('error', () => resolve(1))
    current.on('exit', (code) => {
      current = undefined
      resolve(code ?? 1)
    })
  })
}

/** Ends the tool that runs now with everything it started: each is the head of a process group. */
function stop() {
  if (current?.pid === undefined) return
  try {
    if (process.platform === 'win32') current.kill('SIGKILL')
    else process.kill(-current.pid, 'SIGKILL')
  } catch {
    // It ended on its own meanwhile.
  }
}

function report(name, passed) {
  console.log(`${passed ? 'passed' : 'FAILED'}  ${name}`)
  if (passed) tally.passed++
  else tally.failed++
}

function finish() {
  const { passed, failed, skipped } = tally
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  process.exit(failed > 0 ? 1 : 0)
}
