import { expect, test } from 'vitest'
import type { V86Cpu, V86Machine } from '../../../src/adapters/v86/machine.ts'
import { putTogether, takeApart } from '../../../src/adapters/v86/saved-state.ts'
import { pickUp } from '../../../src/adapters/v86/state-image.ts'
import { V86State } from '../../../src/adapters/v86/v86-state.ts'
import { fakeCpu } from './fake-cpu.ts'

/** A machine whose state is these parts. */
function machine(parts: Uint8Array[]) {
  // Its methods are those of a class.
  const cpu: V86Cpu = Object.create(fakeCpu(1).cpu)
  const saved = () => {
    let end = 0
    const infos = parts.map(({ length }) => {
      const offset = end
      end = (offset + length + 3) & ~3
      return { offset, length }
    })
    const text = new TextEncoder().encode(JSON.stringify({ buffer_infos: infos, state: [6] }))
    return putTogether({ version: 6, text, parts })
  }
  const emulator = { save_state: async () => saved().buffer } as unknown as V86Machine
  return { cpu, emulator, saved }
}

async function taken(state: V86State): Promise<number[]> {
  await state.take()
  const dirty = state.source.sync()
  const pages: number[] = []
  dirty.forEachRun((start, count) => {
    for (let page = start; page < start + count; page++) pages.push(page)
  })
  dirty.free()
  return pages
}

async function image(state: V86State): Promise<Uint8Array> {
  const bytes = new Uint8Array(state.source.size)
  await state.source.readAt(bytes, 0)
  return bytes
}

test('of a state that was sent only what changed is sent again, whatever grew or shrank beside it', async () => {
  // As a processor, a controller whose queue comes and goes, and the memory of a screen.
  const parts = [new Uint8Array(300).fill(1), new Uint8Array(50).fill(2), new Uint8Array(2 ** 20).fill(3)]
  const { cpu, emulator, saved } = machine(parts)
  const { state } = await V86State.of(emulator, cpu)
  await image(state)
  expect(await taken(state)).toEqual([])

  // Page 0 says where the parts lie, 1 holds the text, 2 and 3 the small parts, 4 and on the large one.
  parts[2]![5 * 4096 + 1] = 9
  expect(await taken(state)).toEqual([4 + 5])
  expect(Buffer.from(pickUp(await image(state))).equals(saved())).toBe(true)

  parts[1] = new Uint8Array(90).fill(2)
  parts[0]![7] = 9
  const grown = await taken(state)
  expect(grown.every((page) => page < 4)).toBe(true)
  expect(grown.length).toBeGreaterThan(0)
  expect(Buffer.from(pickUp(await image(state))).equals(saved())).toBe(true)
  expect(takeApart(saved()).parts[1]).toHaveLength(90)
})

test('a state that has outgrown its place is refused', async () => {
  const parts = [new Uint8Array(300)]
  const { cpu, emulator } = machine(parts)
  const { state } = await V86State.of(emulator, cpu)
  parts[0] = new Uint8Array(2 ** 20)
  await expect(state.take()).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
})
