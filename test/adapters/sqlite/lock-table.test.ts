import { describe, expect, it } from 'vitest'
import { LOCK, type LockHolder, LockTable } from '../../../src/adapters/sqlite/lock-table.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const holder = (): LockHolder => ({ level: LOCK.none, instance: {} })

describe('whoever moves a disk', () => {
  it('waits until no statement is under way', async () => {
    const clock = new VirtualClock()
    const locks = new LockTable(clock)
    const [one, other] = [holder(), holder()]
    locks.lock(one, LOCK.shared)
    locks.lock(other, LOCK.shared)
    let isCalm = false
    const calm = locks.calm(1000).then(() => {
      isCalm = true
    })
    locks.unlock(one, LOCK.none)
    await Promise.resolve()
    expect(isCalm).toBe(false)
    locks.unlock(other, LOCK.none)
    await calm
    expect(clock.now()).toBe(0)
    await locks.calm(1000)
    expect(clock.now()).toBe(0)
  })

  it('waits once for one that does not end, and again when there was none', async () => {
    const clock = new VirtualClock()
    const locks = new LockTable(clock)
    const one = holder()
    locks.lock(one, LOCK.shared)
    await locks.calm(100)
    await locks.calm(100)
    expect(clock.now()).toBe(100)
    locks.unlock(one, LOCK.none)
    locks.lock(one, LOCK.shared)
    await locks.calm(100)
    expect(clock.now()).toBe(200)
  })
})
