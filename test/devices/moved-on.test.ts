import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { acknowledge, begin, type Ownership, release } from '../../src/migration/journal/ownership.ts'
import { TwoMachines } from './two-machines.ts'

const second = { id: '2'.repeat(32), key: 'd'.repeat(32) }

/** A disk that was handed over, and a source that was killed before it heard so. */
async function handedOver(seed: number): Promise<TwoMachines> {
  const machines = new TwoMachines(seededRandom(seed))
  await machines.bootSource()
  machines.bootDestination()
  const { source } = await machines.move(await machines.connect())
  expect(source).toMatchObject({ value: { acknowledged: true } })
  for (const machine of [machines.near, machines.far]) machine.die()
  const journal = await machines.near.journal()
  await journal.become({ ...journal.ownership!, state: 'released' })
  return machines
}

/** The new owner's record becomes another one; then both start again. */
async function goOn(machines: TwoMachines, next: (before: Ownership) => Ownership): Promise<void> {
  const journal = await machines.far.journal()
  await journal.become(next(journal.ownership!))
  await machines.bootSource()
  machines.bootDestination()
}

describe('a source that gave its disk away and did not hear how that ended', () => {
  it.each<[string, (before: Ownership) => Ownership]>([
    ['has begun to move it on', (before) => begin(before, second)],
    ['has given it on', (before) => release(begin(before, second))],
    ['was told that it arrived', (before) => acknowledge(release(begin(before, second)))],
  ])('is told by a destination that %s', async (_, next) => {
    const machines = await handedOver(4)
    await goOn(machines, next)
    const before = machines.bytesSent
    const { near, far } = await machines.connect()
    const attaching = machines.arriving.attach(far)
    const sent = await machines.sending.send({ connection: near, name: 'disk', clock: machines.clock })
    await attaching
    expect(sent).toMatchObject({ acknowledged: true, blocksMoved: 0 })
    expect(machines.sending.isAcknowledged).toBe(true)
    expect(machines.sourceIsOpen).toBe(false)
    expect(machines.bytesSent - before).toBeLessThan(4096)
    // It says nothing else of that migration, and nothing has changed over there.
    expect(machines.arriving.journal.ownership?.migration?.id).toBe(second.id)
    await near.close()
  })

  it('is told nothing when it does not know the key', async () => {
    const machines = await handedOver(5)
    const journal = await machines.near.journal()
    const { ownership } = journal
    await journal.become({ ...ownership!, migration: { ...ownership!.migration!, key: 'f'.repeat(32) } })
    await goOn(machines, (before) => begin(before, second))
    const { near, far } = await machines.connect()
    const attaching = machines.arriving.attach(far)
    const sending = machines.sending.send({ connection: near, name: 'disk', clock: machines.clock })
    await expect(sending).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await attaching
    expect(machines.sending.isAcknowledged).toBe(false)
  })

  it('stays in doubt before a destination that never had its disk', async () => {
    const machines = await handedOver(6)
    await goOn(machines, ({ diskId, size, blockSize }) => ({ diskId, size, blockSize, epoch: 1, state: 'owner' }))
    const { near, far } = await machines.connect()
    const attaching = machines.arriving.attach(far)
    const sending = machines.sending.send({ connection: near, name: 'disk', clock: machines.clock })
    await expect(sending).rejects.toMatchObject({ code: 'IN_DOUBT' })
    await attaching
    expect(machines.sourceIsOpen).toBe(false)
  })
})
