import { beforeEach, describe, expect, it } from 'vitest'
import { WriteHistory } from './write-history.ts'

let disk: Uint8Array
let history: WriteHistory
beforeEach(() => {
  disk = new Uint8Array(100).fill(250)
  history = new WriteHistory(disk)
})

/** A write that changes the disk so far, and ends as told. */
function write(offset: number, length: number, outcome: 'acknowledged' | 'failed', takes = length) {
  const recorded = history.begin(offset, length)
  disk.set(history.bytesOf(recorded).subarray(0, takes), offset)
  history.end(recorded, outcome)
  return recorded
}

describe('WriteHistory', () => {
  it('takes the first content for right where nothing was written, and nothing else', () => {
    expect(history.wrong(disk)).toBeUndefined()
    disk[50] = 1
    expect(history.wrong(disk)).toContain('byte 50 is 1')
    expect(history.wrong(new Uint8Array(99))).toContain('99 bytes instead of 100')
  })

  it('wants what was acknowledged, and no longer what was before', () => {
    const before = disk.slice()
    write(10, 20, 'acknowledged')
    expect(history.wrong(disk)).toBeUndefined()
    expect(history.wrong(before)).toContain('write 1')
    disk[29]! ^= 1
    expect(history.wrong(disk)).toContain('byte 29')
  })

  it('wants the later of two acknowledged writes', () => {
    write(10, 20, 'acknowledged')
    const older = disk.slice()
    write(15, 5, 'acknowledged')
    expect(history.wrong(disk)).toBeUndefined()
    expect(history.wrong(older)).toContain('byte 15')
  })

  it('takes either of two writes that ran at once', () => {
    const first = history.begin(0, 10)
    const second = history.begin(5, 10)
    for (const done of [second, first]) history.end(done, 'acknowledged')
    disk.set(history.bytesOf(first), 0)
    disk.set(history.bytesOf(second), 5)
    expect(history.wrong(disk)).toBeUndefined()
    disk.set(history.bytesOf(first), 0)
    expect(history.wrong(disk)).toBeUndefined()
    disk[7] = 250
    expect(history.wrong(disk)).toContain('byte 7')
  })

  it('lets a failed write leave its range either way, byte by byte, until another is acknowledged', () => {
    for (const takes of [0, 3, 10]) {
      write(20, 10, 'failed', takes)
      expect(history.wrong(disk)).toBeUndefined()
    }
    const damaged = disk.slice()
    write(20, 10, 'acknowledged')
    expect(history.wrong(disk)).toBeUndefined()
    expect(history.wrong(damaged)).toContain('byte 20')
  })

  it('wants nothing of a write that is still under way', () => {
    const held = history.begin(0, 10)
    expect(history.wrong(disk)).toBeUndefined()
    disk.set(history.bytesOf(held), 0)
    expect(history.wrong(disk)).toContain('byte 0')
  })

  it('wants zeroes of a discard', () => {
    const discard = history.begin(0, 10, { zero: true })
    history.end(discard, 'acknowledged')
    expect(history.wrong(disk)).toContain('byte 0')
    disk.fill(0, 0, 10)
    expect(history.wrong(disk)).toBeUndefined()
  })

  it('counts a short write as failed', async () => {
    expect(await history.perform(0, 10, () => 9)).toBe('failed')
    expect(await history.perform(0, 10, () => Promise.reject(new Error('no')))).toBe('failed')
    expect(await history.perform(0, 10, async ({ length }) => length)).toBe('acknowledged')
  })
})
