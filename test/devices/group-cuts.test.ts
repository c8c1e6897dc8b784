import { describe, expect, test } from 'vitest'
import { GroupRecord } from '../../src/devices/group-record.ts'
import { errorCode, StorageError } from '../../src/errors/storage-error.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { onCalls } from '../support/flaky-storage.ts'
import { BLOCK, type Blow, GroupRig } from './group-rig.ts'

async function expectEqual(rig: GroupRig): Promise<void> {
  for (const [index, shadow] of rig.shadows.entries()) {
    expect(await compareDisks(shadow, rig.far.disks[index]!, BLOCK)).toMatchObject({ bytes: 0 })
  }
}

/** All disks are here or none is, whoever looks. */
function expectWhole(rig: GroupRig): void {
  const open = rig.trackers.filter(({ local }) => local.state === 'open').length
  expect([0, rig.trackers.length]).toContain(open)
  expect(rig.group.isReleased).toBe(open === 0)
}

/** Runs a migration that is struck once, goes on over a second connection, and ends; false when it was over before the blow. */
async function strikeOnce(blow: Blow): Promise<boolean> {
  const rig = new GroupRig({ seed: blow.send, blocks: [30, 5, 12] })
  await rig.boot()
  let writes = 3
  const writing: Promise<void>[] = []
  const first = await rig.connect(blow).catch(() => undefined)
  const progressHandler = () => {
    if (writes-- > 0) writing.push(rig.write())
  }
  if (first) await rig.move(first, { progressHandler })
  if (!rig.struck) return false
  await Promise.race([Promise.allSettled(writing), rig.clock.sleep(1000)])
  if (blow.kind === 'kill-source') await rig.boot()
  if (blow.kind === 'kill-source' || !rig.group.isReleased) expectWhole(rig)
  rig.checkOwners()
  // Whoever owns the disks goes on.
  await rig.write(2)
  const { source, destination } = await rig.move(await rig.connect())
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  expect(destination.status).toBe('fulfilled')
  expect(rig.group.isAcknowledged).toBe(true)
  expectWhole(rig)
  await rig.write(2)
  await expectEqual(rig)
  return true
}

const blows: Omit<Blow, 'send'>[] = (['source', 'destination'] as const).flatMap((at) =>
  (['cut', 'kill-source', 'kill-destination'] as const).map((kind) => ({ at, kind })),
)

describe('a group that is struck at any send ends with one owner of all and every byte:', () => {
  test.each(blows)('$kind before a send of the $at', { timeout: 120_000 }, async (blow) => {
    let send = 1
    for (; await strikeOnce({ ...blow, send }); send++) expect(send).toBeLessThan(1000)
    expect(send).toBeGreaterThan(10)
  })
})

test('a destination that dies before any write of its own opens all disks again, or none', {
  timeout: 120_000,
}, async () => {
  const seen = { open: 0, closed: 0, half: 0 }
  for (let write = 1; ; write++) {
    const rig = new GroupRig({ seed: write, blocks: [30, 5, 12] })
    await rig.boot()
    rig.far.dieBefore = write
    await rig.move(await rig.connect())
    if (rig.far.writes < rig.far.dieBefore) break
    rig.far.dieBefore = Number.POSITIVE_INFINITY
    const group = await rig.reopen()
    rig.checkOwners()
    const owned = rig.far.journals.filter(({ ownership }) => ownership?.state === 'owner').length
    const open = group.disks.filter(({ disk }) => disk.state === 'open').length
    expect(open).toBe(owned === 3 ? 3 : 0)
    if (owned === 3) {
      seen.open++
      expect(await group.handedOver).toHaveLength(3)
      await rig.write(3)
      await expectEqual(rig)
    } else if (owned > 0) seen.half++
    else seen.closed++
    await expect(group.sendMessage(Uint8Array.of(1))).rejects.toMatchObject({ code: 'PEER_LOST' })
    // The peer says the rest of it.
    const { near, far } = await rig.connect()
    const sending = rig.group.send({ connection: near, clock: rig.clock, maxPauseMs: 5000 })
    await group.attach(far)
    expect(await sending).toMatchObject({ acknowledged: true })
    await group.handedOver
    for (const { disk } of group.disks) expect(disk.state).toBe('open')
    await expectEqual(rig)
  }
  for (const times of Object.values(seen)) expect(times).toBeGreaterThan(0)
})

test('a source that dies before any write of its own wakes up with all disks or none', {
  timeout: 120_000,
}, async () => {
  let released = 0
  let deaths = 0
  for (let write = 1; ; write++) {
    const rig = new GroupRig({ seed: write, blocks: [30, 5, 12] })
    await rig.boot()
    rig.near.dieBefore = rig.near.writes + write
    await rig.move(await rig.connect())
    if (rig.near.writes < rig.near.dieBefore) break
    deaths++
    rig.near.dieBefore = Number.POSITIVE_INFINITY
    await rig.boot()
    expectWhole(rig)
    if (rig.group.isReleased) released++
    await rig.write(2)
    const { source } = await rig.move(await rig.connect())
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    await expectEqual(rig)
  }
  // Before the word, and between the word and the records that follow it.
  expect(released).toBeGreaterThan(3)
  expect(deaths - released).toBeGreaterThan(3)
})

describe('when the word that decides cannot be stored', () => {
  test.each(['write', 'flush'] as const)('by a %s, all disks stay, and go another time', async (operation) => {
    const rig = new GroupRig({ blocks: [30, 5, 12] })
    await rig.boot()
    rig.near.record.plan = onCalls(operation, {}, { effect: 1 })
    const { source } = await rig.move(await rig.connect())
    expect(source).toMatchObject({
      status: 'rejected',
      reason: { code: operation === 'write' ? 'WRITE_FAILED' : 'FLUSH_FAILED' },
    })
    expect(rig.group.isReleased).toBe(false)
    expectWhole(rig)
    // What was taken back is not found by whoever starts anew.
    rig.near.die()
    await rig.boot()
    expectWhole(rig)
    await rig.write(3)
    expect((await rig.move(await rig.connect())).source.status).toBe('fulfilled')
    await expectEqual(rig)
  })

  test.each([
    ['it was not, and all stay', 0],
    ['it was after all, and all are gone', 1],
  ])('nor taken back, nobody writes until it is known: %s', async (_, effect) => {
    const rig = new GroupRig({ blocks: [30, 5, 12] })
    await rig.boot()
    // The first write takes effect or not; none is told well, and none after it has one.
    rig.near.record.plan = ({ operation, number }) =>
      operation === 'write' ? { effect: number === 1 ? effect : 0 } : undefined
    const { source } = await rig.move(await rig.connect())
    expect(source).toMatchObject({ status: 'rejected', reason: { code: 'IN_DOUBT' } })
    for (const { local } of rig.trackers) expect(local.state).toBe('locked')
    for (const { disk } of rig.received!.disks) expect(disk.state).toBe('locked')
    // Asked again it says nothing to the other side, which waits for the last word.
    const { reason } = (await rig.move(await rig.connect())).source as PromiseRejectedResult
    expect(reason).toMatchObject({ code: 'IN_DOUBT' })
    expect(rig.far.journals.map(({ ownership }) => ownership?.state)).toEqual(['prepared', 'prepared', 'prepared'])
    rig.near.record.plan = undefined
    rig.near.die()
    await rig.boot()
    expectWhole(rig)
    expect(rig.group.isReleased).toBe(effect === 1)
    const again = await rig.move(await rig.connect())
    expect(again.source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    await expectEqual(rig)
  })
})

test('a group in doubt goes on once its record can be stored again', async () => {
  const rig = new GroupRig({ blocks: [30, 5, 12] })
  await rig.boot()
  rig.near.record.plan = ({ operation }) => (operation === 'write' ? { effect: 1 } : undefined)
  const { source } = await rig.move(await rig.connect())
  expect(source).toMatchObject({ status: 'rejected', reason: { code: 'IN_DOUBT' } })
  rig.near.record.plan = undefined
  const again = await rig.move(await rig.connect())
  expect(again.source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  await expectEqual(rig)
})

test.each([
  [['released'], 'fulfilled'],
  [['released', 'gone'], 'rejected'],
])('once it is decided, a disk whose own record fails at %j is gone as well', async (states, status) => {
  const rig = new GroupRig({ blocks: [30, 5, 12] })
  await rig.boot()
  const second = rig.near.journals[1]!
  const become = second.become.bind(second)
  let failed = 0
  second.become = async (next) => {
    if (!states.includes(next.state)) return become(next)
    failed++
    throw new StorageError('QUOTA_EXCEEDED')
  }
  const { source } = await rig.move(await rig.connect())
  expect(failed).toBe(states.length)
  expect(source.status).toBe(status)
  expectWhole(rig)
  // Its own record may still say that it is ours; the group's says more.
  rig.near.die()
  await rig.boot()
  expectWhole(rig)
  const again = await rig.move(await rig.connect())
  expect(again.source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  await expectEqual(rig)
})

test('a group whose record is damaged, or too small for one, is not opened, and locked', async () => {
  const rig = new GroupRig({ blocks: [30, 5, 12] })
  await rig.boot()
  await rig.move(await rig.connect())
  rig.near.record.writeAt(new Uint8Array(rig.near.record.size).fill(3), 0)
  rig.near.die()
  await expect(rig.boot()).rejects.toMatchObject({ code: 'CORRUPT' })
  for (const { local } of rig.trackers) expect(local.state).toBe('locked')
  const code = await GroupRecord.open(new MemoryStorage(100)).then(() => undefined, errorCode)
  expect(code).toBe('SIZE_MISMATCH')
})
