import { describe, expect, it } from 'vitest'
import { addressText, parseDiskAddress } from '../../src/cli/disk-address.ts'

describe('parseDiskAddress', () => {
  it('reads paths, and memory with and without a size', () => {
    expect(parseDiskAddress('some/disk.img')).toEqual({ kind: 'file', path: 'some/disk.img' })
    expect(parseDiskAddress('memory:64MiB')).toEqual({ kind: 'memory', size: 2 ** 26 })
    expect(parseDiskAddress('memory:')).toEqual({ kind: 'memory', size: undefined })
  })

  it('reaches a file of such a name by its folder', () => {
    expect(parseDiskAddress('./memory:1')).toEqual({ kind: 'file', path: './memory:1' })
    expect(parseDiskAddress('memory')).toEqual({ kind: 'file', path: 'memory' })
  })

  it.each(['', 'memory:0', 'memory:x', 'memory:-1', 'memory:1.5'])('refuses "%s" with a RangeError', (text) => {
    expect(() => parseDiskAddress(text)).toThrow(RangeError)
  })

  it('writes an address as it is read', () => {
    for (const text of ['a/b', 'memory:', 'memory:4096']) expect(addressText(parseDiskAddress(text))).toBe(text)
  })
})
