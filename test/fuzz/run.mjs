// `npm run fuzz`: mutates inputs of the decoders, guided by the code they reach, for as long as it is told.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { build } from 'vite'
import { checkNode, ensureInstalled, fail, project } from '../../demo/install.mjs'

const USAGE = 'usage: npm run fuzz -- [--seconds N] [--target NAME]... [--seed N]'

/** An input that takes so long never ends, or takes time that is not linear. */
const HANG_MS = 10_000

checkNode()
ensureInstalled()
const folder = join(project, 'build/fuzz')
const bundle = await bundleTargets()
const { names: tellNames, WATCHED_BYTES, keepFinding } = await import(bundle)
const names = await tellNames()
const { seconds, chosen, seed } = readFlags()

let runs = 0
let findings = 0
const started = performance.now()
for (const name of chosen) {
  const report = await campaign(name, seconds / chosen.length)
  runs += report.runs
  const { placesOfSeeds, places, kept } = report
  console.log(`${name}: ${report.runs} runs, places ${placesOfSeeds} by seeds, ${places} in all, ${kept} inputs kept`)
  if (!report.finding) continue
  findings++
  console.log(`FOUND  ${report.finding.path}\n${report.finding.error}`)
}
console.log(
  `${runs} runs in ${Math.round((performance.now() - started) / 1000)} s, ${findings} findings (FERRY_SEED=${seed})`,
)
process.exit(findings > 0 ? 1 : 0)

/** In a thread of its own, so that an input that never ends can be told. */
function campaign(target, seconds) {
  const watched = new SharedArrayBuffer(WATCHED_BYTES)
  const head = new Int32Array(watched, 0, 2)
  return new Promise((resolve) => {
    const script = `import { parentPort, workerData } from 'node:worker_threads'
      const { fuzz } = await import(workerData.bundle)
      parentPort.postMessage(await fuzz(workerData.options))`
    const options = { target, seed, seconds, folder, watched }
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
      workerData: { bundle, options },
    })
    const end = (report) => {
      clearInterval(watch)
      worker.removeAllListeners()
      worker.terminate()
      resolve({ runs: head[1], placesOfSeeds: 0, places: 0, kept: 0, ...report })
    }
    const keep = () => keepFinding(folder, target, new Uint8Array(watched, 8, head[0]).slice())
    let last = 0
    const watch = setInterval(() => {
      if (head[1] > 0 && head[1] === last) end({ finding: { path: keep(), error: `takes more than ${HANG_MS} ms` } })
      last = head[1]
    }, HANG_MS)
    worker.once('message', end)
    worker.once('error', (error) => end({ finding: { path: keep(), error: error.stack } }))
  })
}

/** One file of the targets and what they try, with what others wrote left outside: it is not what is fuzzed. */
async function bundleTargets() {
  await build({
    configFile: false,
    root: project,
    logLevel: 'error',
    ssr: { external: true },
    build: {
      ssr: join(project, 'test/fuzz/command.ts'),
      outDir: join(folder, 'bundle'),
      emptyOutDir: true,
      target: 'node20',
      minify: false,
      rollupOptions: { output: { entryFileNames: 'command.mjs', chunkFileNames: '[name].mjs' } },
      reportCompressedSize: false,
    },
  })
  return pathToFileURL(join(folder, 'bundle/command.mjs')).href
}

function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '60' },
        target: { type: 'string', multiple: true },
        seed: { type: 'string', default: process.env.FERRY_SEED ?? `${Math.floor(Math.random() * 2 ** 31)}` },
      },
    })
    const chosen = values.target ?? names
    for (const name of chosen) if (!names.includes(name)) throw new Error(`the targets are ${names.join(', ')}`)
    return { chosen, seconds: number('seconds', values.seconds), seed: number('seed', values.seed) }
  } catch (error) {
    fail(`${error.message} (${USAGE})`)
  }
}

function number(name, text) {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw new Error(`--${name} needs a whole number, got "${text}"`)
}
