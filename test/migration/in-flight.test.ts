import { describe, expect, it } from 'vitest'
import { type ActiveRun, InFlight } from '../../src/migration/in-flight.ts'
import { checkConfig } from '../../src/migration/migrator-config.ts'

function inFlight(): InFlight {
  return new InFlight({ slots: { standard: 16, dirty: 16, priority: 4 }, shared: new Set(), slotBlocks: 1 })
}

/** Begins runs for as long as there is room. */
function fill(runs: InFlight, from = 0): ActiveRun[] {
  const begun: ActiveRun[] = []
  while (runs.hasRoom('standard')) begun.push(runs.begin(from + begun.length, 1, 'standard'))
  return begun
}

describe('runs under way to a destination', () => {
  it('that says nothing of departures are as many as there may be', () => {
    const runs = inFlight()
    expect(fill(runs)).toHaveLength(16)
  })

  it('that prefers short runs are as many more: a long link holds 16 MiB', () => {
    const config = checkConfig({ blockSize: 65536 }, 2 ** 18)
    expect(config.runBlocks).toBe(4)
    const runs = new InFlight(config)
    let bytes = 0
    for (let start = 0; runs.hasRoom('standard'); start += 4) {
      runs.begin(start, config.runBlocks, 'standard')
      bytes += config.runBlocks * 65536
    }
    expect(bytes).toBe(2 ** 24)
  })

  it('with too little room are soon read one at a time', () => {
    const runs = inFlight()
    const begun = fill(runs)
    for (const run of begun) runs.departed(run, true)
    for (const run of begun) runs.end(run)
    expect(fill(runs)).toHaveLength(1)
  })

  it('with room to spare are read further ahead again', () => {
    const runs = inFlight()
    for (const run of fill(runs)) {
      runs.departed(run, true)
      runs.end(run)
    }
    for (let turn = 0; turn < 20; turn++) {
      for (const run of fill(runs, 100 * turn)) {
        runs.departed(run, false)
        runs.end(run)
      }
    }
    expect(fill(runs)).toHaveLength(16)
  })

  it('leave room for what somebody waits for, and for the next once one of them has ended without leaving', () => {
    const runs = inFlight()
    for (const run of fill(runs)) {
      runs.departed(run, true)
      runs.end(run)
    }
    const [only] = fill(runs)
    expect(runs.hasRoom('standard')).toBe(false)
    expect(runs.hasRoom('priority')).toBe(true)
    runs.end(only!)
    expect(fill(runs)).toHaveLength(1)
  })

  it('count once, however often their parts leave', async () => {
    const runs = inFlight()
    for (const run of fill(runs)) {
      runs.departed(run, true)
      runs.end(run)
    }
    const [only] = fill(runs)
    const changed = runs.change()
    for (let part = 0; part < 5; part++) runs.departed(only!, true)
    await changed
    expect(fill(runs, 1)).toHaveLength(1)
  })
})
