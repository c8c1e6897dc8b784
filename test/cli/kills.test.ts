import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Random, seededRandom } from '../../src/async/random.ts'
import { FIRST_WINDOW_BYTES } from '../../src/protocol/limits.ts'
import { ensureBuilt } from '../support/built-library.ts'
import { type Kill, type KillPlan, runWithKills } from '../support/kill-run.ts'
import { ensureNbdClients } from '../support/nbd-clients.mjs'

/**
 * Real processes, killed with SIGKILL in every phase while a client writes, and started again until the disk has moved.
 * `KILLS=50 npx vitest run --project node test/cli/kills.test.ts` does as many in a row, from `BLOCKFERRY_SEED`.
 */
const RUNS = Number(process.env.KILLS ?? 4)
const SEED = Number(process.env.BLOCKFERRY_SEED ?? 1)
const MiB = 2 ** 20
/** What is promised: the larger of 4 MiB and two windows. */
const AGAIN_PER_KILL = Math.max(4 * MiB, 2 * FIRST_WINDOW_BYTES)
/** What is said beside blocks, for each start: claims, digests, progress. */
const BESIDE_BLOCKS = MiB / 2

let folder: string
beforeAll(async () => {
  ensureNbdClients()
  await ensureBuilt()
  folder = await mkdtemp(join(tmpdir(), 'blockferry-kills-'))
}, 120_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Each of sides, phases and strategies comes in turn; moments are random. */
function planOf(seed: number, random: Random): KillPlan {
  const strategy = (['pre-copy', 'post-copy', 'auto'] as const)[seed % 3]!
  const phases =
    strategy === 'post-copy' ? (['rest', 'locked', 'rest'] as const) : (['copy', 'round', 'locked'] as const)
  const kills = Array.from({ length: RUNS > 4 ? 1 + Math.floor(random() * 3) : 1 }, (_, index): Kill => {
    const side = (seed + index) % 2 === 0 ? 'source' : 'destination'
    return { side, phase: phases[Math.floor(seed / 2 + index) % 3]!, delayMs: Math.floor(random() * 120) }
  })
  return { strategy, kills, isWritten: seed % 4 !== 3, megabytes: 16, bytesPerSecond: 24 * MiB }
}

describe('processes that are killed in the middle of a move', () => {
  it.each(Array.from({ length: RUNS }, (_, index) => SEED + index))(
    'seed %i: nothing that was flushed is lost, one side owns the disk, and little is sent again',
    async (seed) => {
      const random = seededRandom(seed)
      const plan = planOf(seed, random)
      const report = await runWithKills(folder, plan, random)
      const text = `seed ${seed} ${JSON.stringify(plan)} ${JSON.stringify(report)}`
      if (RUNS > 4) console.log(text)
      expect(report.wrong, text).toEqual([])
      expect(report.bytesAgain, text).toBeLessThan(BESIDE_BLOCKS + report.kills * (AGAIN_PER_KILL + BESIDE_BLOCKS))
    },
    90_000,
  )
})
