import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeRle, decodeRleInto, rleLength } from '../../../src/protocol/packets/rle-decoder.ts'
import { encodeRle } from '../../../src/protocol/packets/rle-encoder.ts'
import { propertyOptions } from '../../support/seed.ts'
import { blockData } from './block-data.ts'
import { hex, hexOf } from './hex.ts'
import { settle } from './outcome.ts'
import { leb128, plainRle } from './plain-encoders.ts'

describe('RLE', () => {
  it('is what the rules say, and comes back, for any data at any alignment', () => {
    const property = fc.property(blockData, (data) => {
      const tokens = encodeRle(data)
      expect(hexOf(tokens)).toBe(hexOf(Uint8Array.from(plainRle(data))))
      expect(hexOf(decodeRle(tokens, data.length))).toBe(hexOf(data))
    })
    fc.assert(property, propertyOptions(3000))
  })

  it.each([
    ['run of 300', new Uint8Array(300).fill(9), 'd904 09'],
    ['a page of zeroes', new Uint8Array(4096), '8140 00'],
    ['run of 4 at the end', hex('07070707'), '08 07070707'],
    ['run of 4 inside', hex('0707070701'), '0907 0201'],
    ['nothing', hex(''), ''],
    ['one byte', hex('00'), '02 00'],
  ])('%s', (_, data, digits) => expect(hexOf(encodeRle(data))).toBe(hexOf(hex(digits))))

  it('takes token sequences that no encoder of ours writes', () => {
    // Empty tokens, numbers that are longer than need be, runs of one, and neighbours that could be one.
    expect(hexOf(decodeRle(hex('00', '01 ff', '8480 8000 aabb', '03 cc', '05 cc')))).toBe('aabbcccccc')
  })

  it('random tokens end in data of the stated length or in an error', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 40 }), (tokens) => {
      const outcome = settle(() => {
        const data = decodeRle(tokens, 1000)
        expect(data.length).toBe(rleLength(tokens, 1000))
      })
      const target = new Uint8Array(1000)
      expect(settle(() => decodeRleInto(tokens, target))).toBe(outcome)
    })
    fc.assert(property, propertyOptions(5000))
  })

  it.each([
    ['a number that does not end', hex('80')],
    ['numbers that do not end, many', hex('80'.repeat(65536))],
    ['trailing bytes that say more follows', hex('02 aa', '80 80 80')],
    ['a number of eleven bytes', hex('8180 8080 8080 8080 8080 00', '00')],
    ['a number past 2^53 - 1', Uint8Array.from([...leb128(2n ** 54n + 1n), 0])],
    ['a run of 2^62 zeroes', Uint8Array.from([...leb128(2n ** 63n + 1n), 0])],
    ['a literal of 2^63 - 1 bytes', Uint8Array.from(leb128(2n ** 64n - 2n))],
    ['a run without its byte', hex('09')],
    ['a literal that is cut', hex('08 aabbcc')],
    ['a literal as long as the address space', Uint8Array.from([...leb128(2n ** 33n), 0])],
  ])('refuses as malformed: %s', (_, tokens) => {
    expect(settle(() => decodeRle(tokens))).toBe('MALFORMED')
    expect(settle(() => decodeRleInto(tokens, new Uint8Array(100)))).toMatch(/MALFORMED|LIMIT_EXCEEDED/)
  })

  it('refuses a run of 2^52 - 1 zeroes before it allocates', () => {
    const bomb = Uint8Array.from([...leb128(2n ** 53n - 1n), 0])
    expect(settle(() => decodeRle(bomb))).toBe('LIMIT_EXCEEDED')
    expect(settle(() => decodeRleInto(bomb, new Uint8Array(100)))).toBe('LIMIT_EXCEEDED')
  })

  it('adds up what many tokens become', () => {
    const bomb = hex('8180 8001 00'.repeat(65536)) // 65,536 runs of 1 MiB
    expect(settle(() => decodeRle(bomb))).toBe('LIMIT_EXCEEDED')
  })

  it('keeps to the limit to the byte', () => {
    expect(decodeRle(hex('c901 00'), 100)).toHaveLength(100)
    expect(settle(() => decodeRle(hex('c901 00'), 99))).toBe('LIMIT_EXCEEDED')
    expect(settle(() => decodeRle(hex('c901 00', '02 01'), 100))).toBe('LIMIT_EXCEEDED')
  })

  it('a megabyte of empty tokens becomes nothing', () => {
    expect(decodeRle(new Uint8Array(2 ** 20))).toHaveLength(0)
  })
})
