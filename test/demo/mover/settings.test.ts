import { expect, it } from 'vitest'
import {
  BLOCK_SIZES,
  DEFAULT_SETTINGS,
  LINK_RATES,
  PATTERNS,
  parseSettings,
  SIZES,
  STORAGE_KINDS,
  WRITE_RATES,
} from '../../../demo/mover/settings.ts'
import { WRITE_PATTERNS } from '../../../src/modules/synthetic-writer.ts'

it('offers its own defaults', () => {
  expect(STORAGE_KINDS).toContain(DEFAULT_SETTINGS.source)
  expect(STORAGE_KINDS).toContain(DEFAULT_SETTINGS.destination)
  expect(SIZES).toContain(DEFAULT_SETTINGS.size)
  expect(BLOCK_SIZES).toContain(DEFAULT_SETTINGS.blockSize)
  expect(WRITE_RATES).toContain(DEFAULT_SETTINGS.writeRate)
  expect(LINK_RATES).toContain(DEFAULT_SETTINGS.linkRate)
  expect(PATTERNS).toContain(DEFAULT_SETTINGS.pattern)
})

it('offers the patterns that the writer knows', () => {
  expect([...PATTERNS].sort()).toEqual([...WRITE_PATTERNS].sort())
})

it('reads what a form or an address says', () => {
  const said = { source: 'memory', size: '16777216', writeRate: '0', linkRate: '0', pattern: 'uniform' }
  expect(parseSettings(said)).toEqual({
    ...DEFAULT_SETTINGS,
    source: 'memory',
    size: 16_777_216,
    writeRate: 0,
    linkRate: 0,
    pattern: 'uniform',
  })
})

it('takes nothing that is not on offer', () => {
  for (const nonsense of ['', null, undefined, 'tape', '1e999', -1, Number.NaN, {}, []]) {
    const said = Object.fromEntries(Object.keys(DEFAULT_SETTINGS).map((name) => [name, nonsense]))
    expect(parseSettings(said)).toEqual(DEFAULT_SETTINGS)
  }
})
