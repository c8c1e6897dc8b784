import { describe, expect, test } from 'vitest'
import { putTogether, takeApart } from '../../../src/adapters/v86/saved-state.ts'
import { layOut, pickUp } from '../../../src/adapters/v86/state-image.ts'

type Place = { offset: number; length: number }

/** A state as the emulator saves one: parts one behind another, each at a multiple of 4. */
function saved(parts: readonly Uint8Array[], places?: readonly Place[]) {
  let end = 0
  const infos = parts.map(({ length }) => {
    const offset = end
    end = (offset + length + 3) & ~3
    return { offset, length }
  })
  const text = JSON.stringify({ buffer_infos: places ?? infos, state: [6, null, [1]] })
  return { version: 6, text: new TextEncoder().encode(text), parts, tree: [6, null, [1]] }
}

const PARTS = [new Uint8Array(5).fill(1), new Uint8Array(0), new Uint8Array(10_000).fill(2)]

test('a state that was laid out is picked up as it was saved', () => {
  const state = putTogether(saved(PARTS))
  expect(takeApart(state).parts.map((part) => [...part])).toEqual(PARTS.map((part) => [...part]))
  expect(pickUp(layOut(takeApart(state)))).toEqual(state)
})

describe('an image from a stranger takes no more memory than it is long:', () => {
  test.each<[string, readonly Place[]]>([
    ['a part far away', [{ offset: 2 ** 40, length: 5 }]],
    ['a part at the end of 2 GiB', [{ offset: 2 ** 31, length: 5 }]],
    ['a part that is longer than it is', [{ offset: 0, length: 2 ** 40 }]],
    ['a part that does not begin at a multiple', [{ offset: 2, length: 5 }]],
    ['fewer parts than there are', []],
  ])('%s', (_, places) => {
    const image = layOut(saved([PARTS[0]!], places))
    expect(() => pickUp(image)).toThrow(expect.objectContaining({ code: 'NOT_SUPPORTED' }))
  })

  test('many parts that are the same bytes', () => {
    const image = layOut(saved(PARTS))
    const words = new DataView(image.buffer)
    const places = Array.from({ length: 400 }, (_, index) => ({ offset: index * 10_000, length: 10_000 }))
    const { text } = saved([], places)
    image.set(text, 4096)
    words.setUint32(8, places.length + 1, true)
    words.setUint32(4 * 5, text.length, true)
    for (const index of places.keys()) {
      words.setUint32(4 * (6 + 2 * index), 4096, true)
      words.setUint32(4 * (7 + 2 * index), 10_000, true)
    }
    expect(() => pickUp(image)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  })
})
