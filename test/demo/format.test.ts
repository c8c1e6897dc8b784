import { expect, it } from 'vitest'
import { formatBytes, formatCount, formatDuration, formatHex, formatPlural, formatRate } from '../../demo/format.ts'

it('says bytes with at most three digits, in binary units', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1,023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [64 * 2 ** 20, '64 MiB'],
    [2 ** 20 - 1, '1 MiB'],
    [33_445_000, '31.9 MiB'],
    [155 * 2 ** 20 + 300_000, '155 MiB'],
    [2 ** 30, '1 GiB'],
    [-5, '0 B'],
  ]
  for (const [bytes, text] of cases) expect(formatBytes(bytes)).toBe(text)
  expect(formatRate(2 ** 21)).toBe('2 MiB/s')
})

it('says durations as people do', () => {
  const cases: [number, string][] = [
    [0, '< 1 ms'],
    [0.9, '< 1 ms'],
    [1, '1 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [1440, '1.4 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min 0 s'],
    [125_000, '2 min 5 s'],
  ]
  for (const [ms, text] of cases) expect(formatDuration(ms)).toBe(text)
})

it('says counts, plurals and digests', () => {
  expect(formatCount(16384)).toBe('16,384')
  expect(formatPlural(1, 'block')).toBe('1 block')
  expect(formatPlural(2, 'block')).toBe('2 blocks')
  expect(formatHex(Uint8Array.of(0, 10, 255))).toBe('000aff')
})
