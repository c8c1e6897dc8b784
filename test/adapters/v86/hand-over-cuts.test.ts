import { afterEach, describe, expect, test } from 'vitest'
import { RUNS_MS } from '../../../src/adapters/v86/limits.ts'
import { type Clock, systemClock } from '../../../src/async/clock.ts'
import { GROUP_RECORD_BYTES } from '../../../src/devices/group-record.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { type CountingMachine, isCount, MachineRoom, type Move } from './counting-machines.ts'

const room = new MachineRoom()
afterEach(() => room.end())

/** Cuts the link when it is decided that the machine is given away, before the other side hears of it. */
function recordThat(cuts: () => void): MemoryStorage {
  const record = new MemoryStorage(GROUP_RECORD_BYTES)
  const flush = record.flush.bind(record)
  record.flush = async () => {
    await flush()
    cuts()
  }
  return record
}

/** Cuts the link when the machine is this side's, before the other side hears that it runs. */
function cutWhenItRuns({ sever }: { readonly sever: () => void }) {
  return ({ emulator }: Pick<CountingMachine, 'emulator'>) => {
    const run = emulator.run.bind(emulator)
    emulator.run = () => {
      sever()
      return run()
    }
  }
}

async function expectGone(here: CountingMachine, { guest }: Move): Promise<void> {
  await guest!.says(10)
  expect(await here.isCounting(guest)).toBe(false)
  expect(here.emulator.is_running()).toBe(false)
  await expect(here.emulator.run()).rejects.toMatchObject({ code: 'NOT_OWNER' })
  expect(isCount([...here.said, ...guest!.said])).toBe(true)
}

describe('a machine whose link is cut while it is', { timeout: 60_000 }, () => {
  test.each(['agreeing', 'moving', 'stopped', 'restoring', 'restored'] as const)(
    '%s counts on where it was, and nowhere else, and can move after that',
    async (when) => {
      const here = await room.start()
      const { near, far, sever } = await room.connect()
      const lost = room.move(
        here,
        { near, far },
        {
          near: { onPhase: (phase) => phase === when && sever() },
          onMade: ({ emulator }) => {
            const restore = emulator.restore_state.bind(emulator)
            emulator.restore_state = async (state) => {
              if (when === 'restoring') sever()
              await restore(state)
              if (when === 'restored') sever()
            }
          },
        },
      )
      await expect(lost.teleported).rejects.toMatchObject({ code: 'PEER_LOST' })
      const code = expect.stringMatching(/PEER_LOST|IN_DOUBT/)
      await expect(lost.arrival.then(({ running }) => running)).rejects.toMatchObject({ code })
      // Nobody can take over what is not about to be given away.
      if (when === 'stopped') await expect((await lost.arrival).takeOver()).rejects.toMatchObject({ code: 'NOT_OWNER' })
      await here.says(10)
      expect(lost.guest?.said ?? []).toEqual([])
      const moved = room.move(here, await room.connect())
      expect((await moved.teleported).acknowledged).toBe(true)
      await (await moved.arrival).running
      await expectGone(here, moved)
      expect(lost.guest?.said ?? []).toEqual([])
    },
  )
})

describe('a machine that was given away when the link was cut', { timeout: 60_000 }, () => {
  test('runs nowhere before the two have talked again, then there, and once', async () => {
    const here = await room.start()
    const link = await room.connect()
    const moved = room.move(here, link, { near: { record: recordThat(link.sever) } })
    const gone = await moved.teleported
    expect(gone).toMatchObject({ acknowledged: false, pauseMs: undefined })
    const arrival = await moved.arrival
    await expect(arrival.running).rejects.toMatchObject({ code: 'IN_DOUBT' })
    // Waits for what becomes of it.
    const asked = moved.guest!.emulator.run()
    expect(await moved.guest!.isCounting()).toBe(false)
    expect(await here.isCounting()).toBe(false)

    const cut = await room.connect()
    const lost = Promise.allSettled([gone.tellAgain(cut.near), arrival.attach(cut.far)])
    cut.sever()
    expect((await lost).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await expect(arrival.running).rejects.toMatchObject({ code: 'IN_DOUBT' })

    const again = await room.connect()
    let runs = 0
    moved.guest!.emulator.add_listener('emulator-started', () => runs++)
    await Promise.all([gone.tellAgain(again.near), arrival.attach(again.far)])
    await arrival.running
    await asked
    await expectGone(here, moved)
    expect(runs).toBe(1)

    // Who is told once more changes nothing.
    const more = await room.connect()
    await Promise.all([gone.tellAgain(more.near), arrival.attach(more.far)])
    await arrival.running
    await expectGone(here, moved)
    expect(runs).toBe(1)
  })

  test('runs there when it is taken over, since the other side is gone for good', async () => {
    const here = await room.start()
    const link = await room.connect()
    const moved = room.move(here, link, { near: { record: recordThat(link.sever) } })
    await moved.teleported
    const arrival = await moved.arrival
    await expect(arrival.running).rejects.toMatchObject({ code: 'IN_DOUBT' })
    await arrival.takeOver()
    await arrival.running
    await expectGone(here, moved)
    await expect(arrival.takeOver()).rejects.toMatchObject({ code: 'NOT_OWNER' })
  })

  test('runs there at once when it waits for another link', async () => {
    const here = await room.start()
    const link = await room.connect()
    const moved = room.move(here, link, { near: { record: recordThat(link.sever) }, far: { reconnectMs: 30_000 } })
    const gone = await moved.teleported
    const { attach, running } = await moved.arrival
    const again = await room.connect()
    await Promise.all([gone.tellAgain(again.near), attach(again.far), running])
    await expectGone(here, moved)
  })

  test('runs there when only the answer was lost', async () => {
    const here = await room.start()
    const link = await room.connect()
    const moved = room.move(here, link, {
      onMade: cutWhenItRuns(link),
    })
    const gone = await moved.teleported
    expect(gone.pauseMs).toBeUndefined()
    const arrival = await moved.arrival
    await arrival.running
    await expectGone(here, moved)
    const again = await room.connect()
    await Promise.all([gone.tellAgain(again.near), arrival.attach(again.far)])
    await expectGone(here, moved)
  })

  test('gets the rest of its disk over another one', async () => {
    const storage = new MemoryStorage(2 ** 20)
    storage.writeAtSync(new Uint8Array(2 ** 20).fill(7), 0)
    const here = await room.start(storage)
    const link = await room.connect()
    const moved = room.move(here, link, {
      near: { strategy: 'post-copy', concurrency: 1 },
      onMade: cutWhenItRuns(link),
    })
    const gone = await moved.teleported
    expect(gone).toMatchObject({ acknowledged: false, reason: { code: 'PEER_LOST' } })
    const arrival = await moved.arrival
    await arrival.running
    const [disk] = arrival.parts
    expect(disk!.cache.missingBlocks).toBeGreaterThan(0)
    const again = await room.connect()
    await Promise.all([gone.tellAgain(again.near), arrival.attach(again.far)])
    await disk!.whole
    const read = await new Promise<Uint8Array>((resolve) => arrival.disk.get(2 ** 20 - 512, 512, resolve))
    expect(read).toEqual(new Uint8Array(512).fill(7))
    await expectGone(here, moved)
  })
})

describe('a machine that was given away and does not say that it runs', { timeout: 60_000 }, () => {
  const dead = ({ emulator }: CountingMachine) => {
    emulator.run = () => Promise.reject(new Error('no more'))
  }

  test('is waited for no longer than a while', async () => {
    const here = await room.start()
    const slept: number[] = []
    const clock: Clock = {
      ...systemClock,
      sleep: (ms, signal) => {
        slept.push(ms)
        return ms === RUNS_MS ? Promise.resolve() : systemClock.sleep(ms, signal)
      },
    }
    const moved = room.move(here, await room.connect(), { near: { clock }, onMade: dead })
    expect(await moved.teleported).toMatchObject({ acknowledged: true, pauseMs: undefined })
    expect(slept).toContain(RUNS_MS)
    await expect((await moved.arrival).running).rejects.toThrow('no more')
    expect(here.emulator.is_running()).toBe(false)
  })

  test('is not waited for by who has enough of it', async () => {
    const here = await room.start()
    const over = new AbortController()
    const clock: Clock = {
      ...systemClock,
      sleep: (ms, signal) => (ms === RUNS_MS ? never(signal) : systemClock.sleep(ms, signal)),
    }
    const onPhase = (phase: string) => phase === 'released' && over.abort()
    const moved = room.move(here, await room.connect(), {
      near: { clock, onPhase, signal: over.signal },
      onMade: dead,
    })
    expect(await moved.teleported).toMatchObject({ acknowledged: true, pauseMs: undefined })
  })
})

/** Sleeps until it is woken. */
function never(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason)
    signal?.addEventListener('abort', () => reject(signal.reason))
  })
}
