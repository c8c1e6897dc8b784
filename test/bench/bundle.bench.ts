import { brotliCompressSync, constants } from 'node:zlib'
import { build, type Rolldown } from 'vite'
import type { Benchmark } from './benchmark.ts'

/** What a page downloads, in bytes after minifying and brotli. */
export interface BundleSize {
  /** The browser entry with everything it imports at once. */
  readonly entry: number
  /** What is loaded when it is needed, by file: the hash library, the worker. */
  readonly later: ReadonlyMap<string, number>
}

/** Bundles `src/index.ts` in memory as a page would, dependencies included, and weighs it. */
export async function measureBundle(): Promise<BundleSize> {
  const output = await bundleEntry()
  const chunks = new Map(output.filter((file) => file.type === 'chunk').map((chunk) => [chunk.fileName, chunk]))
  const entry = [...chunks.values()].find((chunk) => chunk.isEntry)
  if (!entry) throw new Error('the bundle has no entry')
  const atOnce = new Set<string>()
  const waiting = [entry.fileName]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (atOnce.has(name)) continue
    atOnce.add(name)
    waiting.push(...(chunks.get(name)?.imports ?? []))
  }
  let size = 0
  const later = new Map<string, number>()
  for (const file of output) {
    const compressed = brotliSize(file.type === 'chunk' ? file.code : file.source)
    if (atOnce.has(file.fileName)) size += compressed
    else later.set(file.fileName.replace(/^assets\/|-[\w-]{8}(?=\.\w+$)/g, ''), compressed)
  }
  return { entry: size, later }
}

async function bundleEntry(): Promise<Rolldown.RolldownOutput['output']> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: { input: 'src/index.ts', preserveEntrySignatures: 'strict' },
    },
    worker: { format: 'es' },
  })
  return (result as Rolldown.RolldownOutput).output
}

function brotliSize(content: string | Uint8Array): number {
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }
  return brotliCompressSync(content, options).length
}

/** Size of the browser entry. */
export const benchmarks: Benchmark[] = [
  {
    name: 'bundle',
    environment: 'node',
    run: async () => {
      const { entry, later } = await measureBundle()
      const KiB = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`
      const parts = [...later].map(([name, size]) => `${name} ${KiB(size)}`)
      const total = [...later.values()].reduce((sum, size) => sum + size, entry)
      const note = `loaded when needed: ${parts.join(', ')}; all together ${KiB(total)}`
      return { value: entry / 1024, unit: 'KiB', limit: null, ratio: null, runs: 1, spread: 0, note }
    },
  },
]
