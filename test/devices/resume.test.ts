import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

/** 48 MiB; single blocks of zeroes travel with their neighbours. */
const BLOCKS = 12_288

describe('a migration that was interrupted sends little again', () => {
  test.each(['cut', 'kill-source', 'kill-destination'] as const)('after a %s', { timeout: 60_000 }, async (kind) => {
    const machines = new TwoMachines(seededRandom(5), BLOCKS)
    await machines.bootSource()
    machines.bootDestination()
    const first = await machines.connectFor(30 * 2 ** 20, kind)
    await machines.move(first)
    expect(machines.struck).toBe(true)
    const sentBefore = machines.bytesSent
    const windowBytes = first.near.rw.windowBytes
    if (kind === 'kill-source') await machines.bootSource()
    if (kind === 'kill-destination') machines.bootDestination()
    await machines.write(20)
    const { source, destination } = await machines.move(await machines.connect())
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(destination).toMatchObject({ status: 'fulfilled' })
    expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
    const left = BLOCKS * BLOCK - sentBefore
    const again = machines.bytesSent - sentBefore - left
    // Twenty writes touch forty blocks at most.
    expect(again).toBeLessThan(Math.max(2 ** 22, 2 * windowBytes) + 40 * BLOCK + 2 ** 18)
  })

  test('an older copy is kept where it is equal', async () => {
    const machines = new TwoMachines(seededRandom(6), 2000)
    await machines.bootSource()
    machines.bootDestination()
    await machines.move(await machines.connectFor(4 * 2 ** 20, 'cut'))
    // The source forgets all about the migration: to it this is a new one.
    await machines.near.place.writeAt(new Uint8Array(machines.near.place.size), 0)
    machines.near.die()
    await machines.bootSource()
    await machines.write(5)
    const before = machines.bytesSent
    const { source } = await machines.move(await machines.connect())
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
    expect(machines.bytesSent - before).toBeLessThan(5 * 2 ** 20)
  })

  test('a copy that nothing is known of is hashed before, and only what differs travels', async () => {
    const source = new MemoryStorage(400 * BLOCK)
    const older = new MemoryStorage(400 * BLOCK)
    for (let block = 0; block < 400; block++) {
      source.writeAtSync(new Uint8Array(BLOCK).fill(1 + (block % 250)), block * BLOCK)
      if (block % 40 !== 0) older.writeAtSync(new Uint8Array(BLOCK).fill(1 + (block % 250)), block * BLOCK)
    }
    const { a, b } = memoryChannels()
    let sent = 0
    const counted: Channel = {
      ...a,
      kind: a.kind,
      ended: a.ended,
      receive: (handler) => a.receive(handler),
      close: () => a.close(),
      abort: (reason) => a.abort(reason),
      send: (parts) => {
        for (const part of parts) sent += part.length
        return a.send(parts)
      },
    }
    const [near, far] = await Promise.all([
      openConnection([counted], { role: 'dialer' }),
      openConnection([b], { role: 'listener' }),
    ])
    const hashed: number[] = []
    const receiving = receiveDisk({
      connection: far,
      create: () => older,
      olderCopy: true,
      onHashing: (done, total) => hashed.push(done, total),
    })
    const { remote } = createDirtyTracker(source, BLOCK)
    await sendDisk({ connection: near, source: remote, name: 'disk' })
    await (await receiving).handedOver
    expect(hashed.slice(-2)).toEqual([400, 400])
    expect(await compareDisks(source, older, BLOCK)).toMatchObject({ bytes: 0 })
    expect(sent).toBeLessThan(20 * BLOCK)
    await near.close()
  })
})
