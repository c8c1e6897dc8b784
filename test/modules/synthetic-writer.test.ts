import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/async/clock.ts'
import { seededRandom } from '../../src/async/random.ts'
import { SyntheticWriter, type SyntheticWriterOptions } from '../../src/modules/synthetic-writer.ts'
import { zipfSampler } from '../../src/modules/zipf.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'

/** A clock that jumps to the end of each sleep, a quarter of a millisecond late, and stops the run at `endMs`. */
class JumpingClock implements Clock {
  time = 0
  readonly controller = new AbortController()
  readonly endMs: number
  constructor(endMs: number) {
    this.endMs = endMs
  }
  now() {
    return this.time
  }
  async sleep(ms: number) {
    this.advance(ms + 0.25)
  }
  async yield() {
    this.advance(0.01)
  }
  advance(ms: number) {
    this.time += ms
    if (this.time >= this.endMs) this.controller.abort()
  }
}

class RecordingDisk implements StorageProvider {
  readonly size: number
  readonly writes: { offset: number; data: Uint8Array }[] = []
  onWrite: () => void = () => {}
  constructor(size: number) {
    this.size = size
  }
  async writeAt(data: Uint8Array, offset: number) {
    this.writes.push({ offset, data: data.slice() })
    this.onWrite()
    return data.length
  }
  async readAt() {
    return 0
  }
  async flush() {}
  async close() {}
  cancelWrites() {}
}

async function runFor(
  ms: number,
  size: number,
  options: SyntheticWriterOptions,
  onWrite?: (clock: JumpingClock) => void,
) {
  const clock = new JumpingClock(ms)
  const disk = new RecordingDisk(size)
  disk.onWrite = () => onWrite?.(clock)
  const writer = new SyntheticWriter(disk, { ...options, clock })
  await writer.run(clock.controller.signal)
  return { disk, writer, clock }
}

describe('SyntheticWriter', () => {
  it('keeps its rate although every sleep ends late', async () => {
    const { writer } = await runFor(10_000, 1 << 20, { bytesPerSecond: 1 << 20, pattern: 'uniform' })
    expect(writer.bytesWritten / (10 << 20)).toBeGreaterThan(0.99)
    expect(writer.bytesWritten / (10 << 20)).toBeLessThan(1.01)
    expect(writer.writes).toBe(writer.bytesWritten / 4096)
  })

  it('writes nothing at rate 0', async () => {
    const { writer } = await runFor(1000, 1 << 20, { bytesPerSecond: 0, pattern: 'uniform' })
    expect(writer.writes).toBe(0)
  })

  it('does not make up for a long pause with a flood', async () => {
    let paused = false
    const { writer } = await runFor(10_000, 1 << 20, { bytesPerSecond: 1 << 20, pattern: 'uniform' }, (clock) => {
      if (!paused) clock.advance(5000)
      paused = true
    })
    expect(writer.bytesWritten / (1 << 20)).toBeLessThan(5.3)
    expect(writer.longestWriteMs).toBe(5000)
  })

  it('counts the write under way as the longest, and forgets on reset', async () => {
    const { writer } = await runFor(100, 1 << 20, { bytesPerSecond: 1 << 20, pattern: 'uniform' }, (clock) => {
      clock.advance(7)
    })
    expect(writer.longestWriteMs).toBe(7)
    writer.resetLongestWrite()
    expect(writer.longestWriteMs).toBe(0)
  })

  it('writes the same for the same seed and other things for another', async () => {
    const trace = async (seed: number) =>
      (await runFor(500, 100_000, { bytesPerSecond: 1 << 20, pattern: 'zipf', seed })).disk.writes
    expect(await trace(7)).toEqual(await trace(7))
    expect(await trace(7)).not.toEqual(await trace(8))
  })

  it('never writes past the end and cuts the last write', async () => {
    const { disk } = await runFor(2000, 10_000, { bytesPerSecond: 1 << 20, pattern: 'sequential' })
    expect(disk.writes.slice(0, 4).map(({ offset, data }) => [offset, data.length])).toEqual([
      [0, 4096],
      [4096, 4096],
      [8192, 1808],
      [0, 4096],
    ])
  })

  it('writes different bytes each time', async () => {
    const { disk } = await runFor(2000, 4096, { bytesPerSecond: 1 << 20, pattern: 'uniform' })
    const seen = new Set(disk.writes.map(({ data }) => Buffer.from(data).toString('base64')))
    expect(seen.size).toBe(disk.writes.length)
  })

  it('reaches every part of the disk in a uniform pattern and prefers few places in a zipf pattern', async () => {
    const hits = async (pattern: 'uniform' | 'zipf') => {
      const { disk } = await runFor(20_000, 1 << 20, { bytesPerSecond: 4 << 20, pattern })
      const counts = new Map<number, number>()
      for (const { offset } of disk.writes) counts.set(offset, (counts.get(offset) ?? 0) + 1)
      return { places: counts.size, hottest: Math.max(...counts.values()) / disk.writes.length }
    }
    expect(await hits('uniform')).toMatchObject({ places: 256 })
    expect((await hits('uniform')).hottest).toBeLessThan(0.01)
    expect((await hits('zipf')).hottest).toBeGreaterThan(0.12)
  })

  it('rejects with the failure of the storage', async () => {
    const clock = new JumpingClock(1000)
    const disk = new RecordingDisk(4096)
    disk.writeAt = async () => {
      throw new Error('disk on fire')
    }
    const writer = new SyntheticWriter(disk, { bytesPerSecond: 1 << 20, pattern: 'uniform', clock })
    await expect(writer.run(clock.controller.signal)).rejects.toThrow('disk on fire')
  })

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('refuses a rate of %s', (bytesPerSecond) => {
    expect(() => new SyntheticWriter(new RecordingDisk(1), { bytesPerSecond, pattern: 'zipf' })).toThrow(RangeError)
  })

  it('refuses an unknown pattern', () => {
    const pattern = 'spiral' as 'zipf'
    expect(() => new SyntheticWriter(new RecordingDisk(1), { bytesPerSecond: 1, pattern })).toThrow(RangeError)
  })
})

describe('zipfSampler', () => {
  it.each([1, 2, 10, 1000])('draws %i ranks with the weights of the formula', (count) => {
    const draws = 200_000
    const sample = zipfSampler(seededRandom(3), count)
    const counts = new Float64Array(count)
    for (let i = 0; i < draws; i++) counts[sample()]!++
    const weights = Array.from({ length: count }, (_, rank) => (rank + 1) ** -0.99)
    const total = weights.reduce((sum, weight) => sum + weight)
    weights.slice(0, 10).forEach((weight, rank) => {
      const expected = (weight / total) * draws
      // Six standard deviations of a binomial count: a wrong formula is far outside, chance never.
      expect(Math.abs(counts[rank]! - expected)).toBeLessThanOrEqual(6 * Math.sqrt(expected) + 1)
    })
  })
})
