import { expect, test } from 'vitest'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { memoryChannels } from '../../src/transports/memory.ts'

const BLOCK = 4096
const BLOCKS = 200

test.each(['silo', 'blockferry/1'] as const)(
  'a disk is sent whole after an attempt that failed, in one order, in dialect %s',
  async (dialect) => {
    const disk = new MemoryStorage(BLOCKS * BLOCK)
    disk.writeAtSync(new Uint8Array(BLOCKS * BLOCK).fill(5), 0)
    const { local, remote } = createDirtyTracker(disk, BLOCK)
    const order = new VolatilityMonitor(local, BLOCK)
    const attempt = async (sent: { blocks: number; stop?: AbortController }) => {
      const { a, b } = memoryChannels()
      const [near, far] = await Promise.all([
        openConnection([a], { dialect, role: 'dialer' }),
        openConnection([b], { dialect, role: 'listener' }),
      ])
      const there = new MemoryStorage(BLOCKS * BLOCK)
      const receiving = receiveDisk({ connection: far, create: () => there }).then((received) => received.handedOver)
      receiving.catch(() => {})
      const sending = sendDisk({
        connection: near,
        source: remote,
        name: 'disk',
        order,
        maxPauseMs: 5000,
        runBytes: BLOCK,
        concurrency: { any: 1 },
        progressIntervalMs: 0,
        progressHandler: ({ movedBlocks }) => {
          if (movedBlocks > sent.blocks) sent.stop?.abort()
        },
        ...(sent.stop ? { signal: sent.stop.signal } : {}),
      })
      await sending.finally(() => near.close())
      await receiving
      return there
    }
    await expect(attempt({ blocks: 50, stop: new AbortController() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(order.available).toBeLessThan(BLOCKS)
    const there = await attempt({ blocks: BLOCKS })
    expect((await compareDisks(disk, there, BLOCK)).bytes).toBe(0)
  },
)
