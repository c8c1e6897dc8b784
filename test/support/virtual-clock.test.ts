import { describe, expect, it } from 'vitest'
import { VirtualClock } from './virtual-clock.ts'

describe('VirtualClock', () => {
  it('wakes sleepers in the order of their time, and of their coming', async () => {
    const clock = new VirtualClock()
    const woken: string[] = []
    const sleep = (name: string, ms: number) => clock.sleep(ms).then(() => woken.push(`${name} ${clock.now()}`))
    await Promise.all([sleep('c', 20), sleep('a', 10), sleep('b', 10), sleep('now', 0), sleep('past', -5)])
    expect(woken).toEqual(['now 0', 'past 0', 'a 10', 'b 10', 'c 20'])
  })

  it('moves on only when everything else has run', async () => {
    const clock = new VirtualClock()
    const events: string[] = []
    const sleeping = clock.sleep(1).then(() => events.push('woken'))
    for (let turn = 0; turn < 100; turn++) await Promise.resolve()
    events.push('a hundred promises later')
    await sleeping
    expect(events).toEqual(['a hundred promises later', 'woken'])
  })

  it('stands still by hand until told, and wakes everybody who is due', async () => {
    const clock = new VirtualClock({ automatic: false })
    const woken: number[] = []
    const nap = async () => {
      for (let turn = 0; turn < 5; turn++) {
        await clock.sleep(10)
        woken.push(clock.now())
      }
    }
    void nap()
    await clock.advance(9)
    expect(woken).toEqual([])
    await clock.advance(25)
    expect(woken).toEqual([10, 20, 30])
    expect(clock.now()).toBe(34)
    expect(clock.sleepers).toBe(1)
  })

  it('passes a little time with each look, when asked to', () => {
    const clock = new VirtualClock({ tickMs: 0.5 })
    expect([clock.now(), clock.now()]).toEqual([0.5, 1])
  })

  it('rejects with ABORTED when the signal fires, before or during the sleep, and forgets the sleeper', async () => {
    const clock = new VirtualClock({ automatic: false })
    await expect(clock.sleep(1, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' })
    const controller = new AbortController()
    const sleeping = clock.sleep(1, controller.signal)
    controller.abort(new Error('enough'))
    await expect(sleeping).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } })
    expect(clock.sleepers).toBe(0)
    await clock.advance(10)
  })

  it('never wakes who sleeps for ever', async () => {
    const clock = new VirtualClock()
    let woken = false
    void clock.sleep(Number.POSITIVE_INFINITY).then(() => {
      woken = true
    })
    await clock.sleep(1e9)
    expect(woken).toBe(false)
  })
})
