import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { arrive } from '../../../src/adapters/v86/arrive.ts'
import { saveMachine } from '../../../src/adapters/v86/save-machine.ts'
import { teleport } from '../../../src/adapters/v86/teleport.ts'
import { V86Disk } from '../../../src/adapters/v86/v86-disk.ts'
import { openConnection } from '../../../src/protocol/connection.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { memoryChannels } from '../../../src/transports/memory.ts'
import { BARE_MEMORY_BYTES, bareMachine } from './bare-machine.ts'

const wasmPath = join(dirname(createRequire(import.meta.url).resolve('v86')), 'v86.wasm')
const DISK_BYTES = 2 ** 20
const SIZES = { memory_size: BARE_MEMORY_BYTES, vga_memory_size: 2 ** 18 }

/** A machine that counts, and what it has said. */
function machine(disk: V86Disk, options: { memory_size: number; vga_memory_size: number; autostart: boolean }) {
  const said: number[] = []
  const emulator = bareMachine(wasmPath, disk.image, options)
  emulator.add_listener('serial0-output-byte', (byte) => said.push(byte))
  const says = async (count: number) => {
    for (const before = said.length; said.length < before + count; )
      await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return { emulator, disk, said, says }
}

test('a machine without any files counts on where it arrives, without a gap', { timeout: 120_000 }, async () => {
  let here = machine(new V86Disk(new MemoryStorage(DISK_BYTES)), { ...SIZES, autostart: true })
  const said: number[] = []
  for (let moves = 0; moves < 3; moves++) {
    await here.says(20)
    const { a, b } = memoryChannels()
    const [near, far] = await Promise.all([
      openConnection([a], { role: 'dialer' }),
      openConnection([b], { role: 'listener' }),
    ])
    let there: typeof here | undefined
    const arriving = arrive({
      connection: far,
      place: ({ size }) => new MemoryStorage(size),
      machine: ({ disk, memoryBytes, vgaMemoryBytes }) => {
        there = machine(disk, { memory_size: memoryBytes, vga_memory_size: vgaMemoryBytes, autostart: false })
        return there.emulator
      },
    })
    const gone = await teleport({ emulator: here.emulator, disk: here.disk, connection: near })
    expect(gone.acknowledged).toBe(true)
    await (await arriving).running
    said.push(...here.said)
    await here.emulator.destroy()
    here = there!
    await Promise.all([near.close(), far.close()])
  }
  await here.says(5)
  said.push(...here.said)
  expect(said).toEqual(said.map((_, index) => (said[0]! + index) % 256))
  await here.emulator.destroy()
})

test('a saved machine goes on with the disk it had, and says so when it is another', { timeout: 60_000 }, async () => {
  const first = machine(new V86Disk(new MemoryStorage(DISK_BYTES), { id: 'one' }), { ...SIZES, autostart: true })
  await first.says(10)
  const state = await saveMachine(first.emulator, first.disk)
  expect(first.emulator.is_running()).toBe(true)
  await first.emulator.destroy()
  for (const [id, errors] of [
    ['one', 0],
    ['two', 1],
  ] as const) {
    const disk = new V86Disk(new MemoryStorage(DISK_BYTES), { id })
    let told = 0
    disk.on('error', ({ operation }) => {
      expect(operation).toBe('restore')
      told++
    })
    const second = machine(disk, { ...SIZES, autostart: false })
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
  const { emulator, says } = machine(new V86Disk(new MemoryStorage(DISK_BYTES)), { ...SIZES, autostart: true })
  await says(1)
  const { a, b } = memoryChannels()
  const [near, far] = await Promise.all([
    openConnection([a], { role: 'dialer' }),
    openConnection([b], { role: 'listener' }),
  ])
  const disk = new V86Disk(new MemoryStorage(DISK_BYTES))
  await expect(teleport({ emulator, disk, connection: near })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
  await says(1)
  await emulator.destroy()
  await Promise.all([near.close(), far.close()])
})
