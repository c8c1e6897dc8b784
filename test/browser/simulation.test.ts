import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { browserHost } from '../../demo/simulator/browser-host.ts'
import { type Chromium, launchChromium } from '../support/chromium.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const FIRST = 50
const RUNS = 40

/** Runs the same seeds from the same file as the command in Node, and tells what it would print. */
const WORKER = `
  import { replaySeed, simulateSeeds } from './simulator.mjs'
  const host = (${browserHost})(self)
  const report = await simulateSeeds({ seed: ${FIRST}, runs: ${RUNS}, goOn: true }, host)
  const { log } = await replaySeed(${FIRST}, host)
  postMessage({ report: JSON.stringify(report), log })
`

let server: Server
let chromium: Chromium
let inNode: { report: string; log: string[] }

beforeAll(async () => {
  const run = (...flags: string[]) =>
    promisify(execFile)(process.execPath, ['test/simulation/run.mjs', '--seed', String(FIRST), ...flags], {
      cwd: project,
    })
  const [report, log] = [(await run('--runs', String(RUNS), '--json', '--go-on')).stdout, (await run('--log')).stdout]
  inNode = { report: report.trim(), log: log.trimEnd().split('\n') }
  const simulator = await readFile(join(project, 'build/simulation/simulator.mjs'))
  const files: Readonly<Record<string, { type: string; body: string | Buffer }>> = {
    '/': { type: 'text/html', body: '<!doctype html><title>simulation</title>' },
    '/worker.mjs': { type: 'text/javascript', body: WORKER },
    '/simulator.mjs': { type: 'text/javascript', body: simulator },
  }
  server = createServer(({ url = '' }, response) => {
    const file = files[url]
    response.writeHead(file ? 200 : 404, { 'content-type': file?.type ?? 'text/plain' }).end(file?.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  chromium = await launchChromium()
}, 300_000)

afterAll(async () => {
  await chromium?.close()
  server?.close()
})

it('does in a browser exactly what it does in Node', { timeout: 300_000 }, async () => {
  const page = await chromium.context.newPage()
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  const inPage = await page.evaluate(
    () =>
      new Promise<{ report: string; log: string[] }>((resolve, reject) => {
        const worker = new Worker('/worker.mjs', { type: 'module' })
        worker.onmessage = ({ data }) => resolve(data)
        worker.onerror = ({ message }) => reject(new Error(message))
      }),
  )
  expect(JSON.parse(inPage.report).failures).toEqual([])
  expect(inPage.report).toBe(inNode.report)
  expect(inPage.log).toEqual(inNode.log)
})
