import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { errorCode } from '../../src/errors/storage-error.ts'
import type { WritePatch } from '../../src/protocol/packets/write-patch.ts'
import { cutPatch, mapBytes } from '../../src/protocol/patched-blocks.ts'

const BLOCK = 65536
const PIECE = 4096
/** Four blocks, the last of which has one piece and seven bytes of another. */
const SIZE = 3 * BLOCK + PIECE + 7
const geometry = { blockSize: BLOCK, size: SIZE }

function patch(changes: Partial<WritePatch> = {}): WritePatch {
  return {
    kind: 'write-patch',
    generation: 0,
    offset: 2 * BLOCK,
    digests: new Uint8Array(32),
    maps: Uint8Array.of(1, 128, 2, 0),
    data: Uint8Array.from({ length: 2 * PIECE + 7 }, (_, index) => 1 + Math.floor(index / PIECE)),
    ...changes,
  }
}

function codeOf(changes: Partial<WritePatch>, size = geometry): string | undefined {
  try {
    cutPatch(patch(changes), size)
    return undefined
  } catch (error) {
    return errorCode(error)
  }
}

describe('a patch', () => {
  it('puts its pieces where its maps say, the last one as short as the disk has it', () => {
    const blocks = new Uint8Array(BLOCK + PIECE + 7)
    const cut = cutPatch(patch(), geometry)
    expect([cut.offset, cut.length]).toEqual([2 * BLOCK, blocks.length])
    cut.apply(blocks)
    const expected = new Uint8Array(blocks.length)
    expected.fill(1, 0, PIECE)
    expected.fill(2, 15 * PIECE, BLOCK)
    expected.fill(3, BLOCK + PIECE)
    expect(Buffer.compare(blocks, expected)).toBe(0)
  })

  it('has parts that are patches of their own', () => {
    const digests = Uint8Array.from({ length: 32 }, (_, index) => index)
    const part = cutPatch(patch({ digests }), geometry).part(3 * BLOCK, SIZE)
    expect([part.offset, part.length, part.digests[0]]).toEqual([3 * BLOCK, PIECE + 7, 16])
    const blocks = new Uint8Array(part.length)
    part.apply(blocks)
    expect([blocks[0], blocks[PIECE], blocks[PIECE + 6]]).toEqual([0, 3, 3])
  })

  it('may have nothing that has changed', () => {
    expect(codeOf({ maps: new Uint8Array(4), data: new Uint8Array(0) })).toBeUndefined()
  })

  it.each([
    ['begins within a block', { offset: 100 }],
    ['goes on past the end of the disk', { offset: 3 * BLOCK }],
    ['begins past it', { offset: 2 ** 53 - 1 }],
    ['has maps of another length', { maps: Uint8Array.of(1, 128, 2) }],
    ['has a piece past the end of the disk', { maps: Uint8Array.of(1, 128, 4, 0) }],
    ['lacks a byte', { data: new Uint8Array(2 * PIECE + 6) }],
    ['has a byte too many', { data: new Uint8Array(2 * PIECE + 8) }],
  ])('that %s is refused', (_, changes) => {
    expect(codeOf(changes)).toBe('MALFORMED')
  })

  it('of blocks without pieces, or of too many at once, is refused', () => {
    expect(codeOf({ maps: new Uint8Array(2), data: new Uint8Array(0) }, { blockSize: PIECE, size: SIZE })).toBe(
      'MALFORMED',
    )
    const many = { offset: 0, digests: new Uint8Array(17 * 16), maps: new Uint8Array(34), data: new Uint8Array(0) }
    expect(codeOf(many, { blockSize: BLOCK, size: 100 * BLOCK })).toBe('LIMIT_EXCEEDED')
  })

  it('is either refused or stays within its blocks, whatever its maps are', () => {
    const sizes = fc.constantFrom(8192, 16384, BLOCK)
    const any = fc.tuple(
      sizes,
      fc.nat(5),
      fc.integer({ min: 1, max: 9 }),
      fc.uint8Array({ maxLength: 12 }),
      fc.nat(6 * PIECE),
    )
    fc.assert(
      fc.property(any, ([blockSize, first, count, maps, length]) => {
        const packet = patch({
          offset: first * blockSize,
          digests: new Uint8Array(count * 16),
          maps: maps.subarray(0, count * mapBytes(blockSize)),
          data: new Uint8Array(length).fill(1),
        })
        try {
          const cut = cutPatch(packet, { blockSize, size: 6 * blockSize + 77 })
          const blocks = new Uint8Array(cut.length)
          cut.apply(blocks)
          expect(blocks.reduce((sum, byte) => sum + byte, 0)).toBe(length)
        } catch (error) {
          expect(['MALFORMED', 'LIMIT_EXCEEDED']).toContain(errorCode(error))
        }
      }),
    )
  })
})
