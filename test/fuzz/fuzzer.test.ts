import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { allocatedBy } from './allocation.ts'
import { Coverage } from './coverage.ts'
import { readCuts, withCuts } from './cuts.ts'
import { runCampaign } from './guided.ts'
import { mutate } from './mutate.ts'
import type { FuzzTarget } from './target.ts'

describe('the fuzzer', () => {
  it('goes through doors one by one, which chance alone would not, and makes what it finds small', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'blockferry-fuzz-'))
    try {
      const path = join(folder, 'planted.cjs')
      writeFileSync(
        path,
        `exports.run = (bytes) => {
          if (bytes[0] === 0x66) {
            if (bytes[1] === 0x65) {
              if (bytes[2] === 0x72) {
                if (bytes[3] === 0x21) throw new Error('the planted bug')
              }
            }
          }
        }`,
      )
      const url = pathToFileURL(path).href
      const coverage = new Coverage((loaded) => loaded === url)
      const { run } = createRequire(import.meta.url)(path) as Pick<FuzzTarget, 'run'>
      const campaign = (coverage: Pick<Coverage, 'fresh' | 'learn' | 'places'>) => {
        let batches = 0
        return runCampaign({
          target: { name: 'planted', seeds: [new Uint8Array(6)], run },
          coverage: coverage as Coverage,
          corpus: [],
          seed: 7,
          goesOn: () => batches++ < 100,
          trying: () => {},
          kept: () => {},
        })
      }
      const blind = await campaign({ fresh: () => [], learn: () => {}, places: 0 })
      expect(blind.finding).toBeUndefined()
      const guided = await campaign(coverage)
      expect(String(guided.finding?.error)).toBe('Error: the planted bug')
      expect([...guided.finding!.bytes]).toEqual([0x66, 0x65, 0x72, 0x21])
      expect(guided.kept).toBeGreaterThanOrEqual(3)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('mutates the same way for the same seed', () => {
    const inputs = (seed: number) => {
      const sources = { corpus: [new Uint8Array(30)], words: [Uint8Array.of(1, 2)], random: seededRandom(seed) }
      return Array.from({ length: 200 }, () => Buffer.from(mutate(sources)).toString('hex')).join()
    }
    expect(inputs(5)).toBe(inputs(5))
    expect(inputs(5)).not.toBe(inputs(6))
  })

  it('counts what is allocated, and views of it not', () => {
    const held = allocatedBy(() => {
      const bytes = new Uint8Array(100)
      new Uint8Array(bytes.buffer, 10).subarray(5)
      new Uint32Array(25)
      Uint8Array.from([1, 2, 3])
      new Uint8Array(bytes)
    })
    expect(held).toBe(303)
    expect(allocatedBy(() => {})).toBe(0)
    expect(new Uint8Array(4) instanceof Uint8Array).toBe(true)
  })

  it('cuts a stream where the input says', () => {
    const { stream, slices } = readCuts(withCuts([1, 3], Uint8Array.of(9, 8, 7, 6, 5)))
    expect([...stream]).toEqual([9, 8, 7, 6, 5])
    expect(slices.map((slice) => [...slice])).toEqual([[9], [8, 7, 6], [5]])
  })
})
