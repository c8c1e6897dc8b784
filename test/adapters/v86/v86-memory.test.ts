import { describe, expect, test } from 'vitest'
import { TURN_BYTES } from '../../../src/adapters/v86/limits.ts'
import { V86Memory } from '../../../src/adapters/v86/v86-memory.ts'
import { seededRandom } from '../../../src/async/random.ts'
import type { Bitfield } from '../../../src/bitfield/bitfield.ts'
import { clipLength } from '../../../src/storage/range.ts'
import { type TrackedDisk, trackingProviderConformance } from '../../conformance/tracking-provider.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { fakeCpu } from './fake-cpu.ts'

const PAGE = 4096

function rig(pages = 40) {
  const { cpu, memory, grow } = fakeCpu(pages)
  const guest = { isRunning: false }
  const provider = new V86Memory(cpu, () => guest.isRunning, new VirtualClock())
  return { provider, memory, grow, guest }
}

function blocks(field: Bitfield): number[] {
  const found: number[] = []
  field.forEachRun((start, count) => {
    for (let block = start; block < start + count; block++) found.push(block)
  })
  field.free()
  return found
}

/** Of the contract of a tracking provider: what a guest's memory is not asked for. */
const NOT_ASKED = [
  // Nothing writes to the memory of a guest that is about to leave but the guest.
  'marks nothing for a write through the remote face',
  // A guest is stopped, not held back.
  'holds writers back while locked, and lets them go on',
  // The memory is the emulator's.
  'says that it is closed',
]

/** A guest writes to its memory, and what takes the dirty pages looks for them first. */
function tracked(size: number): TrackedDisk {
  const { provider, memory, guest } = rig(Math.ceil(size / PAGE))
  guest.isRunning = true
  const clip = (length: number, offset: number) => clipLength(size, offset, length)
  const local = {
    size,
    readAt: async (target: Uint8Array, offset: number) => {
      target.set(memory().subarray(offset, offset + clip(target.length, offset)))
      return clip(target.length, offset)
    },
    writeAt: async (data: Uint8Array, offset: number) => {
      const length = clip(data.length, offset)
      memory().set(data.subarray(0, length), offset)
      return length
    },
    flush: async () => {},
    close: async () => {},
    cancelWrites: () => {},
  }
  const looking = new Proxy(provider, {
    get: (_, name) => {
      if (name === 'size') return size
      if (name === 'readAt')
        return async (target: Uint8Array, offset: number) =>
          provider.readAt(target.subarray(0, clip(target.length, offset)), offset)
      if (name === 'sync')
        return () => {
          // Its clock stands still, so it looks at all in one turn.
          void provider.scan()
          return provider.sync()
        }
      if (name === 'dirtyBlocks' || name === 'isDirty') void provider.scan()
      const value: unknown = Reflect.get(provider, name)
      return typeof value === 'function' ? value.bind(provider) : value
    },
  })
  return { local, remote: looking }
}

describe('as a tracking provider', () => {
  const cases = trackingProviderConformance({ create: async (size) => tracked(size) })
  for (const name of NOT_ASKED) expect(cases.map(({ name }) => name)).toContain(name)
  for (const { name, run } of cases) if (!NOT_ASKED.includes(name)) test(name, run)
})

test('finds what the guest has written since a page was read, and nothing else', async () => {
  const { provider, memory, guest } = rig()
  guest.isRunning = true
  await provider.readAt(new Uint8Array(10 * PAGE), 0)
  memory()[3 * PAGE + 5] = 1
  memory()[20 * PAGE] = 1
  expect(provider.dirtyBlocks).toBe(0)
  await provider.scan()
  expect(provider.dirtyBlocks).toBe(1)
  expect(provider.isDirty(3)).toBe(true)
  expect(blocks(provider.sync())).toEqual([3])
  expect(provider.dirtyBlocks).toBe(0)
  memory()[3 * PAGE + 5] = 2
  await provider.scan()
  // Taken, and not read again yet.
  expect(provider.dirtyBlocks).toBe(0)
  await provider.readAt(new Uint8Array(PAGE), 3 * PAGE)
  memory()[3 * PAGE + 5] = 3
  guest.isRunning = false
  await provider.lock()
  expect(blocks(provider.sync())).toEqual([3])
})

test('a change between two reads is not forgotten with what the first one saw', async () => {
  const { provider, memory } = rig()
  await provider.readAt(new Uint8Array(PAGE), PAGE)
  memory()[PAGE] = 1
  await provider.readAt(new Uint8Array(100), PAGE)
  expect(blocks(provider.sync())).toEqual([1])
})

test('a hole that was told counts as read, and so does a page that is tracked', async () => {
  const { provider, memory } = rig()
  memory()[2 * PAGE + 7] = 1
  expect(await provider.extents(0, 5 * PAGE)).toEqual([{ offset: 2 * PAGE, length: PAGE }])
  expect(await provider.extents(2 * PAGE + 100, 2 * PAGE)).toEqual([{ offset: 2 * PAGE + 100, length: PAGE - 100 }])
  provider.trackAt(30 * PAGE, 1)
  for (const page of [0, 2, 4, 6, 30, 31]) memory()[page * PAGE] = 9
  await provider.lock()
  expect(blocks(provider.sync())).toEqual([0, 4, 30])
})

test('memory that grows under it stays the same', async () => {
  const { provider, memory, grow } = rig()
  memory()[5] = 1
  await provider.readAt(new Uint8Array(40 * PAGE), 0)
  grow()
  await provider.scan()
  expect(provider.dirtyBlocks).toBe(0)
  const read = new Uint8Array(10)
  expect(await provider.readAt(read, 0)).toBe(10)
  expect(read[5]).toBe(1)
  await provider.writeAt(Uint8Array.of(7), 6)
  expect(memory()[6]).toBe(7)
})

test('is neither written nor locked while the guest runs', async () => {
  const { provider, guest } = rig()
  guest.isRunning = true
  await expect(provider.writeAt(Uint8Array.of(1), 0)).rejects.toMatchObject({ code: 'NOT_OWNER' })
  await expect(provider.zeroAt(0, 1)).rejects.toMatchObject({ code: 'NOT_OWNER' })
  await expect(provider.lock()).rejects.toMatchObject({ code: 'NOT_OWNER' })
  guest.isRunning = false
  await provider.lock()
  expect(provider.isLocked).toBe(true)
  provider.unlock()
  expect(provider.isLocked).toBe(false)
})

test('a random guest that is copied round by round ends up the same', async () => {
  const seed = 11
  const random = seededRandom(seed)
  const { provider, memory } = rig(64)
  const copy = new Uint8Array(64 * PAGE)
  const send = async (page: number) =>
    void (await provider.readAt(copy.subarray(page * PAGE, (page + 1) * PAGE), page * PAGE))
  const disturb = () => {
    for (let write = 0; write < 5; write++) memory()[Math.floor(random() * 64 * PAGE)] = random() * 256
  }
  for (let page = 0; page < 64; page++) {
    disturb()
    await send(page)
    if (page % 7 === 0) await provider.scan()
  }
  for (let round = 0; round < 20; round++) {
    if (round % 3 > 0) await provider.scan()
    if (round === 19) await provider.lock()
    for (const page of blocks(provider.sync())) {
      if (round < 19) disturb()
      await send(page)
    }
  }
  expect(Buffer.from(copy).equals(memory()), `seed ${seed}`).toBe(true)
})

test('a guest that runs gets a turn for what is read of its memory, and one that is stopped waits for none', async () => {
  let turns = 0
  const clock = new VirtualClock()
  clock.yield = async () => {
    turns++
  }
  const guest = { isRunning: true }
  const memory = new V86Memory(fakeCpu(64).cpu, () => guest.isRunning, clock)
  const half = new Uint8Array(TURN_BYTES / 2)
  for (let read = 0; read < 4; read++) await memory.readAt(half, 0)
  expect(turns).toBe(2)
  guest.isRunning = false
  for (let read = 0; read < 4; read++) await memory.readAt(half, 0)
  expect(turns).toBe(2)
})
