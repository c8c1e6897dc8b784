import { expect, test } from 'vitest'
import { DeviceGroup } from '../../src/devices/device-group.ts'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { receiveGroup } from '../../src/devices/receive-group.ts'
import { SendingDisk } from '../../src/devices/sending-disk.ts'
import { PAUSE_GRACE_MS } from '../../src/migration/limits.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const BLOCK = 4096
const SIZE = 20 * BLOCK
const MAX_PAUSE_MS = 10

/** A disk that does not end what it is asked, from when somebody says so. */
class HangingDisk extends StorageWrapper {
  readonly #hangs: (call: 'write' | 'flush') => boolean
  heal = () => {}
  readonly #healed = new Promise<void>((resolve) => {
    this.heal = resolve
  })

  constructor(inner: StorageProvider, hangs: (call: 'write' | 'flush') => boolean) {
    super(inner)
    this.#hangs = hangs
  }

  override async writeAt(data: Uint8Array, offset: number): Promise<number> {
    if (this.#hangs('write')) await this.#healed
    return this.inner.writeAt(data, offset)
  }

  override async flush(): Promise<void> {
    if (this.#hangs('flush')) await this.#healed
    await this.inner.flush()
  }
}

/** A disk that is written while it moves to one that hangs as soon as the writer waits. */
async function moving(hanging: 'write' | 'flush') {
  const clock = new VirtualClock({ automatic: false })
  const connect = async () => {
    const { a, b } = memoryChannels({ clock })
    const opening = openConnection([a], { role: 'dialer', clock })
    const far = await openConnection([b], { role: 'listener', clock })
    return { near: await opening, far }
  }
  const disk = new MemoryStorage(SIZE)
  disk.writeAtSync(new Uint8Array(SIZE).fill(1), 0)
  const { local, remote } = createDirtyTracker(disk, BLOCK)
  const place = new HangingDisk(
    // No synchronous members: those cannot hang.
    asynchronous(new MemoryStorage(SIZE)),
    (call) => call === hanging && local.state !== 'open',
  )
  const sending = await SendingDisk.open({ source: remote })
  let writes = 1
  const send = async (signal?: AbortSignal) => {
    const { near, far } = await connect()
    const sent = sending.send({
      connection: near,
      name: 'disk',
      clock,
      maxPauseMs: MAX_PAUSE_MS,
      progressIntervalMs: 0,
      progressHandler: () => {
        if (writes-- > 0) void local.writeAt(new Uint8Array(BLOCK).fill(7), 0)
      },
      ...(signal ? { signal } : {}),
    })
    sent.catch((error: unknown) => near.close(error))
    return { sent, near, far }
  }
  const until = (isSo: () => boolean) => turnsUntil(clock, isSo)
  return { clock, local, place, send, until }
}

/** Lets everything happen that can without time, until it is so. */
async function turnsUntil(clock: VirtualClock, isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    expect(turn).toBeLessThan(1000)
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(0)
  }
}

function asynchronous(inner: MemoryStorage): StorageProvider {
  return {
    size: inner.size,
    readAt: (target, offset) => inner.readAt(target, offset),
    writeAt: (data, offset) => inner.writeAt(data, offset),
    flush: () => inner.flush(),
    close: () => inner.close(),
    cancelWrites: () => {},
  }
}

test.each(['write', 'flush'] as const)(
  'a destination whose %s hangs does not keep the writer waiting',
  async (call) => {
    const { clock, local, place, send, until } = await moving(call)
    const { sent, near, far } = await send()
    let failure: unknown
    sent.catch((error: unknown) => {
      failure = error
    })
    const received = await receiveDisk({ connection: far, create: () => place })
    await until(() => local.state === 'locked')
    const late = new Uint8Array(BLOCK).fill(9)
    const writing = local.writeAt(late, BLOCK)
    await clock.advance(MAX_PAUSE_MS + PAUSE_GRACE_MS - 1)
    expect(local.state).toBe('locked')
    await clock.advance(1)
    await until(() => local.state === 'open' && failure !== undefined)
    await writing
    expect(failure).toMatchObject({ code: 'DID_NOT_CONVERGE' })
    expect(received.disk.state).toBe('locked')

    place.heal()
    near.rw.abort(new Error('given up'))
    const again = await send()
    const attached = received.attach(again.far)
    let isSent = false
    void again.sent.then(() => {
      isSent = true
    })
    await until(() => isSent)
    await attached
    expect(local.state).toBe('locked')
    expect(received.disk.state).toBe('open')
    const arrived = new Uint8Array(BLOCK)
    await received.disk.readAt(arrived, BLOCK)
    expect(arrived).toEqual(late)
  },
)

test.each(['write', 'flush'] as const)('an abort lets the writer go on at once though a %s hangs', async (call) => {
  const { local, place, send, until } = await moving(call)
  const stop = new AbortController()
  const { sent, far } = await send(stop.signal)
  let failure: unknown
  sent.catch((error: unknown) => {
    failure = error
  })
  const received = await receiveDisk({ connection: far, create: () => place })
  await until(() => local.state === 'locked')
  await until(() => true)
  stop.abort()
  await until(() => failure !== undefined)
  expect(local.state).toBe('open')
  expect(failure).toMatchObject({ code: 'ABORTED' })
  expect(received.disk.state).toBe('locked')
})

test.each(['write', 'flush'] as const)('nor do disks that move together wait for a %s of one of them', async (call) => {
  const clock = new VirtualClock({ automatic: false })
  const { a, b } = memoryChannels({ clock })
  const opening = openConnection([a], { role: 'dialer', clock })
  const far = await openConnection([b], { role: 'listener', clock })
  const near = await opening
  const trackers = [0, 1].map(() => createDirtyTracker(new MemoryStorage(SIZE), BLOCK))
  const disks = trackers.map(({ remote }, index) => ({ name: `disk ${index}`, source: remote }))
  const group = await DeviceGroup.open({ disks })
  const isLocked = () => trackers.every(({ local }) => local.state !== 'open')
  let writes = 1
  let failure: unknown
  const progressHandler = () => {
    if (writes-- > 0) void trackers[1]!.local.writeAt(new Uint8Array(BLOCK).fill(7), 0)
  }
  const options = { connection: near, clock, maxPauseMs: MAX_PAUSE_MS, progressIntervalMs: 0, progressHandler }
  group.send(options).catch((error: unknown) => {
    failure = error
    near.rw.abort(error)
  })
  const places = [0, 1].map(
    (index) =>
      new HangingDisk(asynchronous(new MemoryStorage(SIZE)), (what) => what === call && index === 1 && isLocked()),
  )
  const received = receiveGroup({ connection: far, create: (_offer, index) => places[index]! })
  await turnsUntil(clock, isLocked)
  await received
  await clock.advance(MAX_PAUSE_MS + PAUSE_GRACE_MS - 1)
  expect(isLocked()).toBe(true)
  await clock.advance(1)
  await turnsUntil(clock, () => failure !== undefined)
  expect(failure).toMatchObject({ code: 'DID_NOT_CONVERGE' })
  for (const { local } of trackers) expect(local.state).toBe('open')
})
