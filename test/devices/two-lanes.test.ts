import { expect, test } from 'vitest'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { connectTcp } from '../../src/transports/tcp-connect.node.ts'
import { listenTcp } from '../../src/transports/tcp-server.node.ts'

const BLOCK = 65536
const SIZE = 32 * 2 ** 20 + 123
const SECRET = new Uint8Array(16).fill(7)

/** Two TCP connections between two ends, and what each of the dialer's carries. */
async function lanes() {
  const arrived: Channel[] = []
  let both: () => void
  const complete = new Promise<void>((resolve) => {
    both = resolve
  })
  const server = await listenTcp({
    onChannel: (channel) => {
      if (arrived.push(channel) === 2) both()
    },
  })
  const bytes = [0, 0]
  const dialed: Channel[] = []
  // One after the other, so that both ends count them alike.
  for (const lane of [0, 1]) {
    const channel = await connectTcp({ host: '127.0.0.1', port: server.port })
    const send = channel.send.bind(channel)
    channel.send = (parts) => {
      bytes[lane]! += parts.reduce((sum, { length }) => sum + length, 0)
      return send(parts)
    }
    dialed.push(channel)
  }
  await complete
  await server.close()
  return { dialed, arrived, bytes }
}

test.each(['pre-copy', 'post-copy'] as const)(
  'a disk moves over two TCP connections, by %s, and blocks go over the second',
  async (strategy) => {
    const { dialed, arrived, bytes } = await lanes()
    const [near, far] = await Promise.all([
      openConnection(dialed, { role: 'dialer', secret: SECRET }),
      openConnection(arrived, { role: 'listener', secret: SECRET }),
    ])
    expect([near.laneCount, far.laneCount]).toEqual([2, 2])
    const source = new MemoryStorage(SIZE)
    for (let at = 0; at < SIZE; at += BLOCK) source.writeAtSync(new Uint8Array(1000).fill(1 + ((at / BLOCK) % 250)), at)
    const { local, remote } = createDirtyTracker(source, BLOCK)
    let rounds = 0
    const sending = sendDisk({
      connection: near,
      source: remote,
      name: 'disk',
      strategy,
      maxPauseMs: 5000,
      progressIntervalMs: 0,
      progressHandler: () => {
        if (local.state === 'open' && rounds++ < 20)
          void local.writeAt(new Uint8Array(100).fill(rounds), rounds * 997 * 1000)
      },
    })
    const received = await receiveDisk({ connection: far, create: ({ size }) => new MemoryStorage(size) })
    const last = new Uint8Array(10)
    await received.disk.readAt(last, SIZE - 123 - BLOCK)
    expect(last[0]).toBe(1 + (((SIZE - 123 - BLOCK) / BLOCK) % 250))
    await received.whole
    expect((await sending).acknowledged).toBe(true)
    expect(await compareDisks(source, received.disk, BLOCK)).toMatchObject({ bytes: 0 })
    // Urgent packets, and the blocks that were asked for, on the first; all others on the second.
    expect(bytes[0]).toBeGreaterThan(0)
    expect(bytes[1]).toBeGreaterThan(SIZE / 2)
    await near.close()
    expect(await far.rw.ended).toBeUndefined()
  },
)

test('when one of two TCP connections breaks, both have', async () => {
  const { dialed, arrived } = await lanes()
  const [near, far] = await Promise.all([
    openConnection(dialed, { role: 'dialer', secret: SECRET }),
    openConnection(arrived, { role: 'listener', secret: SECRET }),
  ])
  dialed[1]!.abort(new Error('pulled'))
  expect(await near.rw.ended).toBeDefined()
  expect(await far.rw.ended).toMatchObject({ code: 'PEER_LOST' })
  for (const channel of [...dialed, ...arrived]) expect(await channel.ended).toBeDefined()
})
