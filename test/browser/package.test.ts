import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'vite'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Chromium, launchChromium } from '../support/chromium.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const MIME: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' }

/** What a user of the package writes: a disk of each browser storage, used on a page. */
const APP = `
  async function use(Storage, name) {
    const disk = await Storage.open(name, { size: 3_000_000 })
    const warnings = []
    disk.on('warning', (event) => warnings.push(event.message))
    await disk.writeAt(new Uint8Array(1_500_000).fill(7), 1_000_000)
    await disk.flush()
    const target = new Uint8Array(3_000_000)
    await disk.readAt(target, 0)
    await disk.close()
    await Storage.delete(name)
    return { sum: target.reduce((sum, byte) => sum + byte, 0), warnings }
  }
  window.results = Promise.all([use(OpfsStorage, 'package'), use(IndexedDbStorage, 'package')])
`
const EXPECTED = { sum: 7 * 1_500_000, warnings: [] }

let folder: string
let server: Server
let address: string
let chromium: Chromium

/** Compiles the library as it is published, and serves the project's files as any web server would. */
beforeAll(async () => {
  await mkdir(join(project, 'build'), { recursive: true })
  folder = await mkdtemp(join(project, 'build/package-'))
  const compiler = join(project, 'node_modules/typescript/bin/tsc')
  // Types are checked elsewhere; this is about where files are found.
  const flags = ['-p', join(project, 'src'), '--outDir', join(folder, 'dist'), '--noCheck']
  await promisify(execFile)(process.execPath, [compiler, ...flags])
  server = createServer(async (request, response) => {
    const path = join(project, decodeURIComponent(new URL(request.url!, 'http://localhost').pathname))
    try {
      const content = await readFile(path)
      response.setHeader('content-type', MIME[extname(path)] ?? 'application/octet-stream')
      response.end(content)
    } catch {
      response.statusCode = 404
      response.end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}${folder.slice(project.length - 1)}`
  chromium = await launchChromium()
})
afterAll(async () => {
  await chromium?.close()
  server?.close()
  await rm(folder, { recursive: true, force: true })
})

async function resultsOf(page: string): Promise<unknown> {
  const tab = await chromium.context.newPage()
  await tab.goto(`${address}/${page}`)
  await tab.waitForFunction(() => 'results' in window)
  return tab.evaluate(() => (window as unknown as { results: unknown }).results)
}

it('finds its worker in a plain browser, without any bundler', async () => {
  const imports = { 'idb-keyval': '/node_modules/idb-keyval/dist/index.js' }
  await writeFile(
    join(folder, 'plain.html'),
    `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>
     <script type="module">
       import { OpfsStorage } from './dist/src/sources/opfs.js'
       import { IndexedDbStorage } from './dist/src/sources/indexeddb.js'
       ${APP}
     </script>`,
  )
  expect(await resultsOf('plain.html')).toEqual([EXPECTED, EXPECTED])
})

it('finds its worker in a page that was bundled', async () => {
  const root = join(folder, 'bundled')
  await mkdir(root)
  await writeFile(
    join(root, 'index.html'),
    '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./app.js"></script>',
  )
  await writeFile(
    join(root, 'app.js'),
    `import { OpfsStorage } from '../dist/src/sources/opfs.js'
     import { IndexedDbStorage } from '../dist/src/sources/indexeddb.js'
     ${APP}`,
  )
  await build({ configFile: false, root, base: './', logLevel: 'warn', build: { outDir: join(root, 'out') } })
  expect(await resultsOf('bundled/out/index.html')).toEqual([EXPECTED, EXPECTED])
})
