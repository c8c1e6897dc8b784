import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { DIGESTED_PAGE_BYTES, PageDigests } from '../../src/kernels/page-digests.ts'
import { pageDigest } from './page-digest-twin.ts'

const PAGES = 40
const POINTER = 12_345

function foreignMemory(): { memory: WebAssembly.Memory; digests: PageDigests; bytes: () => Uint8Array } {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 8 })
  const random = seededRandom(7)
  const bytes = () => new Uint8Array(memory.buffer)
  for (let at = 0; at < bytes().length; at++) bytes()[at] = random() * 256
  return { memory, digests: new PageDigests(memory, PAGES, POINTER), bytes }
}

test('a digest is what its specification says', () => {
  const { digests, bytes } = foreignMemory()
  for (const page of [0, 1, PAGES - 1]) {
    digests.note(page)
    const at = POINTER + page * DIGESTED_PAGE_BYTES
    expect([...digests.digest(page)]).toEqual([...pageDigest(bytes().subarray(at, at + DIGESTED_PAGE_BYTES))])
  }
})

test('every changed bit is found, and a change taken back is none', () => {
  const { digests, bytes } = foreignMemory()
  for (let page = 0; page < PAGES; page++) digests.note(page)
  const random = seededRandom(8)
  for (let change = 0; change < 2000; change++) {
    const page = Math.floor(random() * PAGES)
    const at = POINTER + page * DIGESTED_PAGE_BYTES + Math.floor(random() * DIGESTED_PAGE_BYTES)
    const bit = 1 << Math.floor(random() * 8)
    bytes()[at]! ^= bit
    expect(digests.differs(page), `bit ${bit} at ${at}`).toBe(true)
    bytes()[at]! ^= bit
    expect(digests.differs(page)).toBe(false)
  }
})

test('words that change places are found', () => {
  const { digests, bytes } = foreignMemory()
  digests.note(3)
  const random = seededRandom(9)
  for (let change = 0; change < 2000; change++) {
    const [left, right] = [0, 1].map(() => POINTER + 3 * DIGESTED_PAGE_BYTES + 16 * Math.floor(random() * 256)) as [
      number,
      number,
    ]
    if (left === right) continue
    const swap = () => {
      const held = bytes().slice(left, left + 16)
      bytes().copyWithin(left, right, right + 16)
      bytes().set(held, right)
    }
    swap()
    expect(digests.differs(3), `${left} and ${right}`).toBe(true)
    swap()
  }
})

test('memory that grew is read where it is now, and never written', () => {
  const { memory, digests, bytes } = foreignMemory()
  const before = bytes().slice()
  for (let page = 0; page < PAGES; page++) digests.note(page)
  memory.grow(2)
  for (let page = 0; page < PAGES; page++) {
    expect(digests.differs(page)).toBe(false)
    expect(digests.isZero(page)).toBe(false)
  }
  expect(Buffer.from(before).equals(bytes().subarray(0, before.length))).toBe(true)
})

test('only a page of nothing but zeroes is zero', () => {
  const { digests, bytes } = foreignMemory()
  const start = POINTER + 5 * DIGESTED_PAGE_BYTES
  bytes().fill(0, start, start + DIGESTED_PAGE_BYTES)
  expect(digests.isZero(5)).toBe(true)
  for (const at of [0, 63, 64, 2048, DIGESTED_PAGE_BYTES - 1]) {
    bytes()[start + at] = 1
    expect(digests.isZero(5)).toBe(false)
    bytes()[start + at] = 0
  }
})
