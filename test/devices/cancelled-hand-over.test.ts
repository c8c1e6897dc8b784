import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

test('a destination has heard that it does not become the owner before the source says that the move has failed', async () => {
  const machines = new TwoMachines(seededRandom(5))
  await machines.bootSource()
  machines.bootDestination()
  const { near, far } = await machines.connect()
  const attached = machines.arriving.attach(far)
  const { clock } = machines
  const handOver = () => {
    const { journal } = machines.arriving
    expect(journal.ownership).toMatchObject({ state: 'prepared' })
    const become = journal.become.bind(journal)
    journal.become = async (next) => {
      await clock.sleep(100)
      return become(next)
    }
    throw new Error('not now')
  }
  const sent = machines.sending.send({ connection: near, name: 'disk', clock, maxPauseMs: 5000, handOver })
  await expect(sent).rejects.toThrow('not now')
  expect(machines.arriving.journal.ownership).toMatchObject({ state: 'receiving' })
  expect(machines.sourceIsOpen).toBe(true)
  await attached
  await near.close()
})

test('blocks that a destination says it needs no more are sent all the same as long as it owns nothing', async () => {
  const machines = new TwoMachines(seededRandom(6))
  await machines.bootSource()
  machines.bootDestination()
  const { near, far } = await machines.connect()
  let isSaid = false
  const progressHandler = () => {
    if (isSaid) return
    isSaid = true
    void far.rw.post(1, { kind: 'dont-need-at', offset: 0, length: machines.shadow.size }, { urgent: true })
  }
  const { source } = await machines.move({ near, far }, { progressHandler, progressIntervalMs: 0, runBytes: BLOCK })
  expect(isSaid).toBe(true)
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
})
