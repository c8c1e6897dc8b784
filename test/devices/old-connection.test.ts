import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { settled } from '../support/virtual-clock.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

test('nothing is taken over another connection while something of the one before is being stored', async () => {
  const machines = new TwoMachines(seededRandom(12))
  await machines.bootSource()
  machines.bootDestination()
  const { disk } = machines.far
  const write = disk.writeAt.bind(disk)
  const held: (() => void)[] = []
  let isHolding = true
  disk.writeAt = async (data, offset) => {
    if (isHolding) await new Promise<void>((go) => held.push(go))
    return write(data, offset)
  }
  const send = ({ near }: Awaited<ReturnType<typeof machines.connect>>) =>
    machines.sending.send({ connection: near, name: 'disk', clock: machines.clock, maxPauseMs: 5000 })
  const first = await machines.connect()
  void machines.arriving.attach(first.far)
  const lost = send(first)
  lost.catch(() => {})
  while (held.length === 0) await settled(true)
  for (const { rw } of [first.near, first.far]) rw.fail(new StorageError('PEER_LOST'))
  await expect(lost).rejects.toMatchObject({ code: 'PEER_LOST' })
  isHolding = false

  const second = await machines.connect()
  let isAttached = false
  const attached = machines.arriving.attach(second.far).then(() => {
    isAttached = true
  })
  const sent = send(second)
  for (let turn = 0; turn < 20; turn++) await settled(true)
  expect(isAttached).toBe(false)
  for (const go of held) go()
  await attached
  expect(await sent).toMatchObject({ acknowledged: true })
  expect(await compareDisks(machines.shadow, disk, BLOCK)).toMatchObject({ bytes: 0 })
  await second.near.close()
})
