import { describe, expect, it } from 'vitest'
import { formatDuration, formatSize, parseRate, parseSize } from '../../src/cli/sizes.ts'

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['65536', 65536],
    ['512B', 512],
    ['64K', 65536],
    ['64k', 65536],
    ['64KiB', 65536],
    ['64kib', 65536],
    ['64kB', 64000],
    ['1.5MiB', 1572864],
    ['1.5 MB', 1500000],
    ['2G', 2 ** 31],
    ['1T', 2 ** 40],
    ['4PiB', 2 ** 52],
  ])('reads %s', (text, size) => expect(parseSize(text)).toBe(size))

  it.each(['', 'x', '-1', '1.5', '0.3K', '1e3', '1 2', 'MiB', '1XB', '9PiB', '1KiBs', 'NaN'])(
    'refuses "%s"',
    (text) => {
      expect(parseSize(text)).toBeUndefined()
    },
  )
})

describe('parseRate', () => {
  it('takes a size with or without the time', () => {
    expect(parseRate('50MiB/s')).toBe(50 * 2 ** 20)
    expect(parseRate('50MiB')).toBe(50 * 2 ** 20)
    expect(parseRate('50MiB/h')).toBeUndefined()
  })
})

describe('formatSize', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '0.98 KiB'],
    [1024, '1 KiB'],
    [1536, '1.50 KiB'],
    [64 * 2 ** 20, '64 MiB'],
    [1023.9 * 2 ** 10, '1.00 MiB'],
    [12.34 * 2 ** 30, '12.3 GiB'],
    [2 ** 60, '1024 PiB'],
  ])('writes %d bytes as %s', (bytes, text) => expect(formatSize(bytes)).toBe(text))
})

describe('formatDuration', () => {
  it.each([
    [0.04, '0.0 ms'],
    [3.14, '3.1 ms'],
    [250.4, '250 ms'],
    [999.6, '1.0 s'],
    [12_345, '12 s'],
    [59_600, '1 min 00 s'],
    [185_000, '3 min 05 s'],
    [7_800_000, '2 h 10 min'],
  ])('writes %d milliseconds as %s', (ms, text) => expect(formatDuration(ms)).toBe(text))
})
