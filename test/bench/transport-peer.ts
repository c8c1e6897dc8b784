// The other process of a transport benchmark: `transport-peer.js KIND SIZE`. It tells its parent three ports: one that counts what comes,
// one that stores a disk, one that receives a disk and measures how long reads wait for blocks that are still on their way.
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { listenTcp } from '../../src/transports/tcp-server.node.ts'
import { listenWebSocket } from '../../src/transports/websocket-server.node.ts'

const [kind, size] = [process.argv[2], Number(process.argv[3])]
const storage = new MemoryStorage(size)
// Touched, so that no run pays for fresh pages.
for (let at = 0; at < size; at += 2 ** 20) storage.writeAtSync(new Uint8Array(2 ** 20).fill(1), at)

/** Counts, and says one byte when everything has come. */
function count(channel: Channel): void {
  let left = size
  channel.receive((bytes) => {
    left -= bytes.length
    if (left === 0) void channel.send([new Uint8Array(1)])
  })
}

async function store(channel: Channel): Promise<void> {
  const { rw } = await openConnection([channel], { role: 'listener' })
  new FromProtocol(rw, 1, () => ({ provider: storage }))
}

/** Reads one block after the other that is not here yet, until nothing is missing. */
async function read(channel: Channel): Promise<void> {
  const connection = await openConnection([channel], { role: 'listener' })
  const { disk, cache, handedOver } = await receiveDisk({ connection, create: () => new MemoryStorage(size) })
  const waits: number[] = []
  const target = new Uint8Array(4096)
  let state = 1
  while (cache.missingBlocks > cache.numBlocks / 10) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    const block = state % cache.numBlocks
    if (cache.isPresent(block)) continue
    const startedAt = performance.now()
    await disk.readAt(target, block * cache.blockSize)
    waits.push(performance.now() - startedAt)
    // A reader that thinks, as most do; also lets everything else run.
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await handedOver
  process.send!({ waits })
}

async function listen(onChannel: (channel: Channel) => void): Promise<number> {
  if (kind === 'tcp') return (await listenTcp({ onChannel })).port
  return (await listenWebSocket({ onChannel, protocols: ['blockferry.1'], origins: 'any' })).port
}

process.send!({ count: await listen(count), store: await listen(store), read: await listen(read) })
process.on('disconnect', () => process.exit())
