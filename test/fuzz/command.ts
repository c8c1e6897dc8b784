import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Coverage } from './coverage.ts'
import { runCampaign } from './guided.ts'

/** What the process that watches is told while an input runs: its length, its number, and the bytes. */
export const WATCHED_BYTES = 8 + 70_000

/** What a campaign is started with. */
export interface CampaignOptions {
  readonly target: string
  readonly seed: number
  readonly seconds: number
  /** Where the inputs that reached new code are kept from one campaign to the next. */
  readonly folder: string
  /** `WATCHED_BYTES`. */
  readonly watched: SharedArrayBuffer
}

/** Names of what can be fuzzed. */
export async function names(): Promise<string[]> {
  const { targets } = await import('./targets.ts')
  return targets.map(({ name }) => name)
}

/** One campaign, of plain data to be sent to another thread. A finding is written beside the corpus. */
export async function fuzz({ target: name, seed, seconds, folder, watched }: CampaignOptions) {
  // Before the targets are loaded. Beside them lies nothing but this file, which is not fuzzed.
  const ours = new URL('.', import.meta.url).href
  const coverage = new Coverage((url) => url.startsWith(ours) && url !== import.meta.url)
  const { targets } = await import('./targets.ts')
  const target = targets.find((one) => one.name === name)!
  const corpusFolder = join(folder, 'corpus', name)
  mkdirSync(corpusFolder, { recursive: true })
  const corpus = readdirSync(corpusFolder)
    .sort()
    .map((file) => new Uint8Array(readFileSync(join(corpusFolder, file))))
  const head = new Int32Array(watched, 0, 2)
  const body = new Uint8Array(watched, 8)
  const end = performance.now() + 1000 * seconds
  const report = await runCampaign({
    target,
    coverage,
    corpus,
    seed,
    goesOn: () => performance.now() < end,
    trying: (bytes) => {
      head[0] = bytes.length
      body.set(bytes.subarray(0, body.length))
      head[1]!++
    },
    kept: (bytes) => writeFileSync(join(corpusFolder, `${digest(bytes)}.bin`), bytes),
  })
  const { finding, ...counts } = report
  if (!finding) return { ...counts, finding: undefined }
  const error = finding.error instanceof Error ? (finding.error.stack ?? finding.error.message) : String(finding.error)
  return { ...counts, finding: { path: keepFinding(folder, name, finding.bytes), error } }
}

/** Writes an input that broke a law, and says where. */
export function keepFinding(folder: string, name: string, bytes: Uint8Array): string {
  const path = join(folder, 'findings', `${name}-${digest(bytes)}.bin`)
  mkdirSync(join(folder, 'findings'), { recursive: true })
  writeFileSync(path, bytes)
  return path
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16)
}
