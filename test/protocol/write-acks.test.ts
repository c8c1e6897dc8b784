import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/async/clock.ts'
import { ACK_BYTES, ACK_RANGES } from '../../src/protocol/limits.ts'
import type { AckRange } from '../../src/protocol/packets/acks.ts'
import { WriteAcks } from '../../src/protocol/write-acks.ts'

/** Acks over a clock whose tasks pass when the test says so. */
function heldAcks() {
  const sent: (readonly AckRange[])[] = []
  const tasks: (() => void)[] = []
  const clock = { ...systemClock, yield: () => new Promise<void>((go) => tasks.push(go)) }
  const acks = new WriteAcks(clock, (ranges) => sent.push(ranges))
  const passTask = async () => {
    for (const go of tasks.splice(0)) go()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { acks, sent, passTask, waiting: () => tasks.length }
}

describe('acks of writes', () => {
  it('share a packet while writes keep coming, neighbours a range', async () => {
    const { acks, sent, passTask } = heldAcks()
    acks.add(7, 1)
    acks.add(8, 1)
    await passTask()
    acks.add(12, 1)
    await passTask()
    expect(sent).toEqual([])
    await passTask()
    expect(sent).toEqual([
      [
        { firstId: 7, count: 2 },
        { firstId: 12, count: 1 },
      ],
    ])
  })

  it('wait for one task without a write', async () => {
    const { acks, sent, passTask, waiting } = heldAcks()
    acks.add(1, 1)
    expect(sent).toEqual([])
    await passTask()
    expect(sent).toEqual([[{ firstId: 1, count: 1 }]])
    expect(waiting()).toBe(0)
  })

  it('leave at once when so many bytes were stored, and not again', async () => {
    const { acks, sent, passTask, waiting } = heldAcks()
    acks.add(1, ACK_BYTES - 1)
    expect(sent).toEqual([])
    acks.add(2, 1)
    expect(sent).toEqual([[{ firstId: 1, count: 2 }]])
    await passTask()
    await passTask()
    expect(sent).toHaveLength(1)
    expect(waiting()).toBe(0)
    acks.add(3, 1)
    await passTask()
    await passTask()
    expect(sent).toEqual([[{ firstId: 1, count: 2 }], [{ firstId: 3, count: 1 }]])
  })

  it('are cut into packets of so many ranges', async () => {
    const { acks, sent, passTask } = heldAcks()
    for (let id = 0; id <= ACK_RANGES; id++) acks.add(1 + 2 * id, 1)
    await passTask()
    await passTask()
    expect(sent.map((ranges) => ranges.length)).toEqual([ACK_RANGES, 1])
  })
})
