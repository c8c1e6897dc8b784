import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/async/clock.ts'
import { PacedDisk } from '../../src/cli/paced-disk.ts'
import { PhaseMeter, type PhaseProgress } from '../../src/cli/phase-progress.ts'
import { ProgressBar } from '../../src/cli/progress-bar.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'

class JumpingClock implements Clock {
  time = 0
  now() {
    return this.time
  }
  async sleep(ms: number) {
    // As late as a real timer.
    this.time += ms + 1
  }
  async yield() {}
}

describe('PhaseMeter', () => {
  it('reports at most ten times a second, and always the end, with rate and time left', () => {
    const clock = new JumpingClock()
    const reports: PhaseProgress[] = []
    const meter = new PhaseMeter('copy', 1000, (progress) => reports.push(progress), clock)
    for (let bytes = 0; bytes <= 1000; bytes += 10) {
      clock.time += 10
      meter.note(bytes)
    }
    expect(reports.length).toBeGreaterThan(8)
    expect(reports.length).toBeLessThan(13)
    expect(reports.at(-1)).toMatchObject({ phase: 'copy', bytes: 1000, totalBytes: 1000, timeLeftMs: 0 })
    const middle = reports[5]!
    expect(middle.bytesPerSecond).toBeGreaterThan(900)
    expect(middle.bytesPerSecond).toBeLessThan(1100)
    expect(middle.timeLeftMs).toBeCloseTo(((1000 - middle.bytes) / middle.bytesPerSecond) * 1000)
  })
})

describe('PacedDisk', () => {
  it('lets bytes through at the rate of its link, however late timers are', async () => {
    const clock = new JumpingClock()
    const disk = new PacedDisk(new MemoryStorage(2 ** 20), 2 ** 20, clock)
    for (let offset = 0; offset < 2 ** 20; offset += 4096) await disk.writeAt(new Uint8Array(4096).fill(1), offset)
    expect(clock.time).toBeGreaterThanOrEqual(980)
    expect(clock.time).toBeLessThan(1010)
  })
})

describe('ProgressBar', () => {
  it('draws percentage, sizes, rate and time left on a terminal, one line for each phase', () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 120 })
    const bar = new ProgressBar(stream as unknown as NodeJS.WriteStream)
    const progress = { totalBytes: 2 ** 26, bytesPerSecond: 2 ** 24, timeLeftMs: 2000 }
    bar.show({ phase: 'copy', bytes: 2 ** 25, ...progress })
    bar.show({ phase: 'verify', bytes: 0, ...progress })
    bar.stop()
    bar.stop()
    const drawn = String(stream.read())
    expect(drawn).toMatch(/copy +█+░+ +50% {2}32 MiB of 64 MiB {2}16 MiB\/s {2}2\.0 s left/)
    expect(drawn).toMatch(/\n.*verify +░+ +0%/)
  })
})
