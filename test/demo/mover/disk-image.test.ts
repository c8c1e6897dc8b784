import { expect, it } from 'vitest'
import { diskImage } from '../../../demo/mover/disk-image.ts'

const MIB = 2 ** 20

function parts(size: number, seed: number): { offset: number; data: Uint8Array }[] {
  return Array.from(diskImage(size, seed), ({ offset, data }) => ({ offset, data: data.slice() }))
}

for (const size of [512, 4096, 16 * MIB, 16 * MIB + 4096]) {
  it(`stays on a disk of ${size} bytes, front to back, never twice in one place`, () => {
    let end = 0
    for (const { offset, data } of diskImage(size, 1)) {
      expect(offset).toBeGreaterThanOrEqual(end)
      expect(data.length).toBeGreaterThan(0)
      end = offset + data.length
    }
    expect(end).toBeGreaterThan(0)
    expect(end).toBeLessThanOrEqual(size)
  })
}

it('is the same for the same seed, and another for another', () => {
  // Byte-wise matchers take a second for each MiB.
  const image = (seed: number) => Buffer.concat(parts(4 * MIB, seed).map(({ data }) => data))
  const places = (seed: number) => parts(4 * MIB, seed).map(({ offset, data }) => [offset, data.length])
  expect(image(3).equals(image(3))).toBe(true)
  expect(places(3)).toEqual(places(3))
  expect(image(3).equals(image(4))).toBe(false)
})

it('leaves about half of the disk empty', () => {
  const used = parts(64 * MIB, 20).reduce((sum, { data }) => sum + data.length, 0)
  expect(used / (64 * MIB)).toBeGreaterThan(0.4)
  expect(used / (64 * MIB)).toBeLessThan(0.7)
})

it('has no two clusters alike, so that a block in a wrong place shows', () => {
  const seen = new Set<string>()
  let clusters = 0
  for (const { data } of diskImage(8 * MIB, 20)) {
    for (let at = 0; at < data.length; at += 16384) {
      seen.add(Buffer.from(data.subarray(at, at + 16384)).toString('base64'))
      clusters++
    }
  }
  expect(seen.size).toBe(clusters)
})
