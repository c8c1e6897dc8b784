import { afterEach, expect, test } from 'vitest'
import { saveMachine } from '../../../src/adapters/v86/save-machine.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { FlakyStorage, onCalls } from '../../support/flaky-storage.ts'
import { isCount, MachineRoom } from './counting-machines.ts'

const room = new MachineRoom()
afterEach(() => room.end())

test('a guest that is told to run while it is handed over does not, and never again', { timeout: 60_000 }, async () => {
  const here = await room.start()
  let running: Promise<void> | undefined
  const moved = room.move(here, await room.connect(), {
    onMade: ({ emulator }) => {
      const restore = emulator.restore_state.bind(emulator)
      emulator.restore_state = async (state) => {
        running = here.emulator.run()
        running.catch(() => {}) // Looked at below.
        await restore(state)
      }
    },
  })
  expect((await moved.teleported).acknowledged).toBe(true)
  await (await moved.arrival).running
  await expect(running).rejects.toMatchObject({ code: 'NOT_OWNER' })
  await expect(here.emulator.run()).rejects.toMatchObject({ code: 'NOT_OWNER' })
  expect(await here.isCounting(moved.guest)).toBe(false)
  expect(here.emulator.is_running()).toBe(false)
  expect(isCount([...here.said, ...moved.guest!.said])).toBe(true)
})

test('it runs where it was when it was told so and the hand-over fails', { timeout: 60_000 }, async () => {
  const here = await room.start()
  await here.emulator.stop()
  const link = await room.connect()
  let running: Promise<void> | undefined
  const moved = room.move(here, link, {
    near: {
      onPhase: (phase) => {
        if (phase !== 'stopped') return
        queueMicrotask(() => {
          running = here.emulator.run()
          link.sever()
        })
      },
    },
  })
  await expect(moved.teleported).rejects.toMatchObject({ code: 'PEER_LOST' })
  await running
  await here.says(5)
})

test('a machine that is saved while it is handed over is not run by that', { timeout: 60_000 }, async () => {
  const here = await room.start()
  let saving: Promise<unknown> | undefined
  const moved = room.move(here, await room.connect(), {
    onMade: ({ emulator }) => {
      const restore = emulator.restore_state.bind(emulator)
      emulator.restore_state = async (state) => {
        saving = saveMachine(here.emulator, here.disk)
        saving.catch(() => {}) // Looked at below.
        await restore(state)
      }
    },
  })
  await moved.teleported
  await (await moved.arrival).running
  await moved.guest!.says(5)
  await expect(saving).rejects.toMatchObject({ code: 'NOT_OWNER' })
  expect(here.emulator.is_running()).toBe(false)
  expect(await here.isCounting(moved.guest)).toBe(false)
  expect(isCount([...here.said, ...moved.guest!.said])).toBe(true)
})

test('a machine that is handed over while it is saved runs at the other side', { timeout: 60_000 }, async () => {
  const here = await room.start()
  const flush = here.disk.flush.bind(here.disk)
  let saving: Promise<unknown> | undefined
  // As a storage that takes its time.
  let flushed: () => void
  const isFlushed = new Promise<void>((resolve) => {
    flushed = resolve
  })
  here.disk.flush = () => isFlushed.then(flush)
  const moved = room.move(here, await room.connect(), {
    near: {
      onPhase: (phase) => {
        if (phase === 'moving') saving ??= saveMachine(here.emulator, here.disk)
        if (phase === 'stopped') setImmediate(flushed)
      },
    },
  })
  await moved.teleported
  await saving
  await (await moved.arrival).running
  await moved.guest!.says(5)
  expect(here.emulator.is_running()).toBe(false)
  expect(isCount([...here.said, ...moved.guest!.said])).toBe(true)
})

test('what is kept with a saved machine is of the same moment', { timeout: 60_000 }, async () => {
  const here = await room.start()
  here.disk.set(0, Uint8Array.of(7), () => {})
  let running: Promise<void> | undefined
  let kept: { generation: number; said: number } | undefined
  const changed: number[] = []
  here.disk.on('changed', ({ generation }) => changed.push(generation))
  await saveMachine(here.emulator, here.disk, async () => {
    running = here.emulator.run()
    expect(await here.isCounting()).toBe(false)
    expect(here.emulator.is_running()).toBe(false)
    expect(here.disk.pendingBytes).toBe(0)
    kept = { generation: here.disk.generation, said: here.said.length }
  })
  await running
  expect(kept).toMatchObject({ generation: 1 })
  await here.says(5)
  here.disk.set(0, Uint8Array.of(8), () => {})
  expect(changed).toEqual([2])
})

test('a guest whose disk fails at the hand-over stays stopped', { timeout: 60_000 }, async () => {
  const storage = new FlakyStorage(new MemoryStorage(2 ** 20))
  const here = await room.start(storage)
  here.disk.stopOnError(here.emulator)
  const moved = room.move(here, await room.connect(), {
    near: {
      onPhase: (phase) => {
        if (phase !== 'stopped') return
        // At once, and then behind the guest's back.
        storage.plan = onCalls('write', { times: 2 })
        here.disk.set(0, new Uint8Array(512), () => {})
      },
    },
  })
  await expect(moved.teleported).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  expect(await here.isCounting()).toBe(false)
  here.disk.retry()
  await here.emulator.run()
  await here.says(5)
})

test('a machine on its way runs once it has come, whoever runs it before', { timeout: 60_000 }, async () => {
  const here = await room.start()
  let running: Promise<void> | undefined
  const moved = room.move(here, await room.connect(), {
    far: {
      place: ({ size }) => {
        running = moved.guest!.emulator.run()
        return new MemoryStorage(size)
      },
    },
  })
  expect((await moved.teleported).acknowledged).toBe(true)
  await (await moved.arrival).running
  await running
  await moved.guest!.says(5)
  expect(isCount([...here.said, ...moved.guest!.said])).toBe(true)
})

test('a machine that did not come never runs', { timeout: 60_000 }, async () => {
  const here = await room.start()
  const link = await room.connect()
  const moved = room.move(here, link, { near: { onPhase: (phase) => phase === 'stopped' && link.sever() } })
  await expect(moved.teleported).rejects.toMatchObject({ code: 'PEER_LOST' })
  await expect(moved.arrival.then(({ running }) => running)).rejects.toMatchObject({ code: 'PEER_LOST' })
  const arrival = await moved.arrival
  const again = await room.connect()
  await expect(arrival.attach(again.far)).rejects.toMatchObject({ code: 'NOT_OWNER' })
  await expect(moved.guest!.emulator.run()).rejects.toMatchObject({ code: 'NOT_OWNER' })
  await here.says(5)
})
