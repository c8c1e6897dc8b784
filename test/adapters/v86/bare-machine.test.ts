import { afterEach, expect, test } from 'vitest'
import { arrive } from '../../../src/adapters/v86/arrive.ts'
import { saveMachine } from '../../../src/adapters/v86/save-machine.ts'
import { teleport } from '../../../src/adapters/v86/teleport.ts'
import { V86Disk } from '../../../src/adapters/v86/v86-disk.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { CountingMachine, DISK_BYTES, isCount, MachineRoom, VERSION } from './counting-machines.ts'

const room = new MachineRoom()
afterEach(() => room.end())

test('a machine without any files counts on where it arrives, without a gap', { timeout: 120_000 }, async () => {
  let here = await room.start()
  const said: number[] = []
  for (let moves = 0; moves < 3; moves++) {
    await here.says(20)
    const moved = room.move(here, await room.connect())
    expect((await moved.teleported).acknowledged).toBe(true)
    await (await moved.arrival).running
    said.push(...here.said)
    here = moved.guest!
  }
  await here.says(5)
  said.push(...here.said)
  expect(isCount(said)).toBe(true)
})

test('a saved machine goes on with the disk it had, and says so when it is another', { timeout: 60_000 }, async () => {
  const first = await room.start()
  await first.says(10)
  const state = await saveMachine(first.emulator, first.disk)
  expect(first.emulator.is_running()).toBe(true)
  for (const [id, errors] of [
    ['disk', 0],
    ['another', 1],
  ] as const) {
    const disk = new V86Disk(new MemoryStorage(DISK_BYTES), { id })
    let told = 0
    disk.on('error', ({ operation }) => {
      expect(operation).toBe('restore')
      told++
    })
    const second = new CountingMachine(disk, { autostart: false })
    await new Promise<void>((resolve) => second.emulator.add_listener('emulator-loaded', resolve))
    await second.emulator.restore_state(state.slice(0))
    expect(told).toBe(errors)
    await second.emulator.run()
    await second.says(1)
    expect(second.said[0]).toBeGreaterThanOrEqual(first.said[9]!)
    await second.emulator.destroy()
  }
})

test('a machine with another disk than the one named does not move', async () => {
  const here = await room.start()
  const { emulator } = here
  const { near } = await room.connect()
  const disk = new V86Disk(new MemoryStorage(DISK_BYTES))
  const moved = teleport({ emulator, disk, connection: near, version: VERSION })
  await expect(moved).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
  await here.says(1)
})

test('a machine that is called nothing does not move, nor comes', async () => {
  const { emulator, disk } = await room.start()
  const { near, far } = await room.connect()
  await expect(teleport({ emulator, disk, connection: near, version: '' })).rejects.toThrow(RangeError)
  const place = ({ size }: { size: number }) => new MemoryStorage(size)
  const machine = () => emulator
  await expect(arrive({ connection: far, version: '', place, machine })).rejects.toThrow(RangeError)
})
