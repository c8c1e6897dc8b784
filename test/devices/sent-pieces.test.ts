import { describe, expect, it } from 'vitest'
import { PIECE_DIGEST_BYTES, SentPieces } from '../../src/devices/sent-pieces.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'

const hasher = await createBlockHasher()
const digests = (count: number, value: number) => new Uint8Array(count * PIECE_DIGEST_BYTES).fill(value)

describe('pieces that were sent', () => {
  it('have digests of eight bytes, the last one of as many bytes as there are', () => {
    const sent = new SentPieces(hasher)
    const bytes = new Uint8Array(4096 + 5).fill(1)
    const hashed = sent.hash(bytes)
    expect(hashed).toHaveLength(16)
    expect(hashed.subarray(8)).toEqual(hasher.hash(bytes.subarray(4096)).subarray(0, 8))
  })

  it('are known until they are forgotten, also over the end of a page', () => {
    const sent = new SentPieces(hasher)
    expect(sent.at(4080, 16)).toBeUndefined()
    sent.keep(4080, digests(32, 7))
    expect(sent.at(4080, 16)).toEqual(digests(16, 7))
    expect(sent.at(4096, 16)).toEqual(digests(16, 7))
    sent.forget(4090, 10)
    expect(sent.at(4080, 16)).toEqual(Uint8Array.of(...digests(10, 7), ...digests(6, 0)))
    expect(sent.at(4096, 4)).toBeUndefined()
  })

  it('are forgotten by pages when there are too many, first those that were sent longest ago', () => {
    const sent = new SentPieces(hasher, 2)
    for (const page of [0, 1, 0, 2]) sent.keep(page * 4096, digests(1, 1))
    expect([0, 1, 2].map((page) => sent.at(page * 4096, 1) !== undefined)).toEqual([true, false, true])
  })
})
