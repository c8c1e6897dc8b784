import { describe, expect, test } from 'vitest'
import { DeviceGroup } from '../../src/devices/device-group.ts'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { receiveGroup } from '../../src/devices/receive-group.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { CLOSE_MS } from '../../src/protocol/limits.ts'
import type { Dialect } from '../../src/protocol/protocol-rw.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const BLOCK_SIZE = 4096
const SIZE = 20 * BLOCK_SIZE

/** Lets everything happen that can without time, so many times, or until it is over. */
async function turns(clock: VirtualClock, count: number, isOver = () => false): Promise<void> {
  for (let turn = 0; turn < count && !isOver(); turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(0)
  }
}

/** What is sent: a disk by itself, or as a group, of which nobody knows more. */
type What = 'disk' | 'group'

/** Sends it to a peer that takes all but says nothing any more from its `silentFrom`-th send on, and aborts that; undefined when it was over before. */
async function abortAt(what: What, dialect: Dialect, silentFrom: number): Promise<string | undefined> {
  const clock = new VirtualClock({ automatic: false })
  const { a, b } = memoryChannels({ clock })
  let sends = 0
  const silent: Channel = {
    kind: b.kind,
    ended: b.ended,
    receive: (handler) => b.receive(handler),
    close: () => b.close(),
    abort: (reason) => b.abort(reason),
    send: async (parts) => {
      if (++sends < silentFrom) return b.send(parts)
    },
  }
  const opening = openConnection([a], { dialect, role: 'dialer', clock })
  const far = await openConnection([silent], { dialect, role: 'listener', clock })
  const near = await opening
  const disk = new MemoryStorage(SIZE)
  disk.writeAtSync(new Uint8Array(SIZE).fill(1), 0)
  const { local, remote } = createDirtyTracker(disk, BLOCK_SIZE)
  const stop = new AbortController()
  const { signal } = stop
  let outcome = 'pending'
  const options = { connection: near, signal, clock, maxPauseMs: 5000 }
  const group = await DeviceGroup.open({ disks: [{ name: 'disk', source: remote }] })
  const sending = what === 'disk' ? sendDisk({ ...options, source: remote, name: 'disk' }) : group.send(options)
  sending.then(
    ({ acknowledged }) => {
      outcome = acknowledged ? 'acknowledged' : 'released'
    },
    (error: { code?: string }) => {
      outcome = error.code ?? String(error)
    },
  )
  let isTheirs = false
  const receive = what === 'disk' ? receiveDisk : receiveGroup
  receive({ connection: far, create: () => new MemoryStorage(SIZE) })
    .then(({ handedOver }: { handedOver: Promise<unknown> }) => handedOver)
    .then(
      () => {
        isTheirs = true
      },
      () => {}, // It never was.
    )
  const isPending = () => outcome === 'pending'
  await turns(clock, 10_000, () => !isPending() || sends >= silentFrom)
  if (!isPending()) {
    expect(outcome).toBe('acknowledged')
    return undefined
  }
  await turns(clock, 20)
  stop.abort()
  await turns(clock, 20)
  // The last word was said, or it has ended; and then a peer is not waited for any longer.
  if (isPending()) {
    expect(local.state).toBe('locked')
    await clock.advance(CLOSE_MS)
    await turns(clock, 20)
  }
  expect(['ABORTED', 'IN_DOUBT', 'released']).toContain(outcome)
  // Whoever may have it, the source must not write to it then.
  expect(local.state).toBe(outcome === 'ABORTED' ? 'open' : 'locked')
  if (isTheirs) expect(local.state).toBe('locked')
  near.rw.abort(new Error('over'))
  return outcome
}

describe.each([
  { what: 'disk', dialect: 'silo' },
  { what: 'disk', dialect: 'blockferry/1' },
  { what: 'group', dialect: 'silo' },
  { what: 'group', dialect: 'blockferry/1' },
] as const)('a $what sent in dialect $dialect', ({ what, dialect }) => {
  test('to a peer that falls silent at any moment can be aborted, and has one owner at most', async () => {
    // The hello has come, or there would be nothing to abort.
    const first = dialect === 'silo' ? 1 : 2
    const outcomes: string[] = []
    for (let outcome: string | undefined; ; outcomes.push(outcome)) {
      outcome = await abortAt(what, dialect, first + outcomes.length)
      if (outcome === undefined) break
      expect(outcomes.length).toBeLessThan(100)
    }
    expect(outcomes.length).toBeGreaterThan(3)
    expect(new Set(outcomes)).toEqual(new Set(['ABORTED', dialect === 'silo' ? 'IN_DOUBT' : 'released']))
  })
})
