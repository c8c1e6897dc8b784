import { expect, test } from 'vitest'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { FIRST_WINDOW_BYTES, LOST_AFTER_MS, PING_AFTER_MS } from '../../src/protocol/limits.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const BLOCK = 65536
const SIZE = 64 * 2 ** 20
/** Bytes of one run, and so of what is read ahead of the window for each of the few that wait for it. */
const RUN = 2 ** 20

/** Lets everything happen that can without time, until nothing happens any more. */
async function settle(clock: VirtualClock, progress: () => number, turns = 50): Promise<void> {
  let idle = 0
  for (let seen = -1; idle < turns; ) {
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(0)
    idle = progress() === seen ? idle + 1 : 0
    seen = progress()
  }
}

test.each([
  ['before the first block', 0],
  ['in the middle', 16],
])(
  'a peer that keeps its channel open and takes nothing from %s on is lost, and little is held for it',
  async (_, blocks) => {
    const clock = new VirtualClock({ automatic: false })
    const { a, b } = memoryChannels({ clock })
    let taken = 0
    const most = blocks * BLOCK + 4096
    const stuck: Channel = {
      kind: b.kind,
      ended: b.ended,
      receive: (handler) =>
        b.receive((slice) => {
          taken += slice.length
          if (taken > most) return new Promise<void>(() => {})
          return handler(slice)
        }),
      close: () => b.close(),
      abort: (reason) => b.abort(reason),
      send: async (parts) => (taken > most ? undefined : b.send(parts)),
    }
    let offered = 0
    let open = 0
    const counted: Channel = {
      kind: a.kind,
      ended: a.ended,
      receive: (handler) => a.receive(handler),
      close: () => a.close(),
      abort: (reason) => a.abort(reason),
      send: async (parts) => {
        const bytes = parts.reduce((sum, { length }) => sum + length, 0)
        offered += bytes
        open += bytes
        await a.send(parts)
        open -= bytes
      },
    }
    const [near, far] = await Promise.all([
      openConnection([counted], { role: 'dialer', clock }),
      openConnection([stuck], { role: 'listener', clock }),
    ])
    const disk = new MemoryStorage(SIZE)
    disk.writeAtSync(new Uint8Array(SIZE).fill(1), 0)
    let read = 0
    const { local, remote } = createDirtyTracker(
      {
        size: SIZE,
        readAt: async (target, offset) => {
          read += target.length
          return disk.readAt(target, offset)
        },
        writeAt: (data, offset) => disk.writeAt(data, offset),
        flush: async () => {},
        close: async () => {},
        cancelWrites: () => {},
      },
      BLOCK,
    )
    receiveDisk({ connection: far, create: () => new MemoryStorage(SIZE) }).catch(() => {})
    let failure: unknown
    sendDisk({ connection: near, source: remote, name: 'disk', clock, runBytes: RUN }).catch((error: unknown) => {
      failure = error
    })
    // What is loaded before takes real time.
    for (let turn = 0; taken <= most && turn < 20_000; turn++) await settle(clock, () => offered + read, 1)
    await settle(clock, () => offered + read)
    expect(failure).toBeUndefined()
    expect(taken).toBeGreaterThan(most)
    // What the window lets go, and the runs that wait behind it; one send at a time waits in the channel.
    expect(read).toBeLessThanOrEqual(most + FIRST_WINDOW_BYTES + 32 * RUN)
    expect(offered).toBeLessThanOrEqual(most + FIRST_WINDOW_BYTES)
    expect(open).toBeLessThanOrEqual(RUN + 4096)
    const before = read
    for (let ms = 0; ms < LOST_AFTER_MS + 2 * PING_AFTER_MS; ms += PING_AFTER_MS) {
      await clock.advance(PING_AFTER_MS)
      await settle(clock, () => offered + read)
    }
    expect(failure).toMatchObject({ code: 'PEER_LOST' })
    expect(read).toBe(before)
    expect(await a.ended).toMatchObject({ code: 'PEER_LOST' })
    // The source is as it was.
    expect(local.state).toBe('open')
    expect(await local.writeAt(new Uint8Array([1]), 0)).toBe(1)
  },
)
