import { describe, expect, test } from 'vitest'
import type { ReceivedGroup } from '../../src/devices/receive-group.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { BLOCK, GroupRig } from './group-rig.ts'

const BLOCKS = [30, 5, 12]

/** A group that is left prepared: the source loses the link before it has given it away. */
async function prepared(): Promise<{ rig: GroupRig; group: ReceivedGroup }> {
  const rig = new GroupRig({ blocks: BLOCKS })
  await rig.boot()
  const link = await rig.connect()
  const handOver = () => {
    link.near.rw.abort(new StorageError('PEER_LOST'))
    throw new StorageError('PEER_LOST')
  }
  const { destination } = await rig.move(link, { handOver })
  expect(destination).toMatchObject({ status: 'rejected', reason: { code: 'IN_DOUBT' } })
  expect(states(rig)).toEqual(['prepared', 'prepared', 'prepared'])
  return { rig, group: rig.received! }
}

const states = ({ far }: GroupRig) => far.journals.map(({ ownership }) => ownership?.state)
const gates = ({ disks }: ReceivedGroup) => disks.map(({ disk }) => disk.state)

describe('a group whose source is gone', () => {
  test('is taken over as a whole, which is recorded, and once', async () => {
    const { rig, group } = await prepared()
    await group.takeOver()
    await group.handedOver
    await group.whole
    expect(gates(group)).toEqual(['open', 'open', 'open'])
    for (const { ownership } of rig.far.journals) expect(ownership).toMatchObject({ state: 'owner', forced: true })
    for (const [index, shadow] of rig.shadows.entries()) {
      expect(await compareDisks(shadow, rig.far.disks[index]!, BLOCK)).toMatchObject({ bytes: 0 })
    }
    await expect(group.takeOver()).rejects.toMatchObject({ code: 'NOT_OWNER' })
  })

  test('opens no disk before all are taken over, and goes on where it has failed', async () => {
    const { rig, group } = await prepared()
    const [, second] = rig.far.journals
    const become = second!.become.bind(second)
    second!.become = async () => {
      throw new StorageError('QUOTA_EXCEEDED')
    }
    await expect(group.takeOver()).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    expect(gates(group)).toEqual(['locked', 'locked', 'locked'])
    second!.become = become
    await group.takeOver()
    expect(gates(group)).toEqual(['open', 'open', 'open'])
  })

  test('is taken over by whoever starts anew', async () => {
    const { rig } = await prepared()
    rig.far.die()
    const group = await rig.reopen()
    expect(gates(group)).toEqual(['locked', 'locked', 'locked'])
    await group.takeOver()
    expect(gates(group)).toEqual(['open', 'open', 'open'])
  })

  test('stops when the source was not gone after all', async () => {
    const { rig, group } = await prepared()
    await group.takeOver()
    // Nobody looks on who says that there is one owner.
    const { a, b } = memoryChannels({ clock: rig.clock })
    const [near, far] = await Promise.all([
      openConnection([a], { role: 'dialer' }),
      openConnection([b], { role: 'listener' }),
    ])
    const sending = rig.group.send({ connection: near, clock: rig.clock, maxPauseMs: 5000 })
    await Promise.all([expect(sending).rejects.toMatchObject({ code: 'IN_DOUBT' }), group.attach(far).catch(() => {})])
    expect(gates(group)).toEqual(['locked', 'locked', 'locked'])
    for (const { local } of rig.trackers) expect(local.state).toBe('locked')
  })
})

test('a group that was still being written over there is not taken over', async () => {
  const rig = new GroupRig({ blocks: BLOCKS })
  await rig.boot()
  const link = await rig.connect()
  await rig.move(link, { progressHandler: () => link.near.rw.abort(new StorageError('PEER_LOST')) })
  expect(states(rig)).not.toContain('owner')
  await expect(rig.received!.takeOver()).rejects.toMatchObject({ code: 'NOT_OWNER' })
  expect(gates(rig.received!)).toEqual(['locked', 'locked', 'locked'])
})

test('in dialect silo nothing is taken over', async () => {
  const rig = new GroupRig({ blocks: BLOCKS, dialect: 'silo' })
  await rig.boot()
  await rig.move(await rig.connect())
  await expect(rig.received!.takeOver()).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
})
