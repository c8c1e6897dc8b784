import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodePacket } from '../../../src/protocol/packets/packet.ts'
import { decodeZeroes, decodeZeroesInto } from '../../../src/protocol/packets/zeroes-decoder.ts'
import { encodeZeroes } from '../../../src/protocol/packets/zeroes-encoder.ts'
import { propertyOptions } from '../../support/seed.ts'
import { blockData } from './block-data.ts'
import { hex, hexOf } from './hex.ts'
import { outcomeOf, settle } from './outcome.ts'
import { leb128, plainZeroes } from './plain-encoders.ts'

describe('zeroes', () => {
  it('are what the rules say, and come back, for any data at any alignment', () => {
    const property = fc.property(blockData, (data) => {
      const segments = encodeZeroes(data)
      expect(hexOf(segments)).toBe(hexOf(Uint8Array.from(plainZeroes(data))))
      expect(hexOf(decodeZeroes(segments, data.length, data.length))).toBe(hexOf(data))
    })
    fc.assert(property, propertyOptions(3000))
  })

  const zeroes = (count: number) => '00'.repeat(count)
  it.each([
    ['all zero', new Uint8Array(4096), ''],
    ['nothing', hex(''), ''],
    ['11 between are kept', hex('01', zeroes(11), '02'), `00 1a 01${zeroes(11)}02`],
    ['12 between are not', hex('01', zeroes(12), '02'), '0002 01 1a02 02'],
    ['200 in front', hex(zeroes(200), 'ff'), '9003 02 ff'],
    ['fewer at the end are dropped too', hex('01', zeroes(3)), '0002 01'],
  ])('%s', (_, data, digits) => expect(hexOf(encodeZeroes(data))).toBe(hexOf(hex(digits))))

  it('finds a gap wherever it begins and however long it is', () => {
    for (let before = 1; before < 20; before++) {
      for (let gap = 0; gap < 40; gap++) {
        const data = hex('01'.repeat(before), zeroes(gap), '02'.repeat(gap % 3))
        expect(hexOf(encodeZeroes(data))).toBe(hexOf(Uint8Array.from(plainZeroes(data))))
      }
    }
  })

  it('random segments end in data of the stated length or in an error', () => {
    const bytes = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 255 }))
    const property = fc.property(fc.array(bytes, { maxLength: 40 }), (list) => {
      const segments = Uint8Array.from(list)
      const outcome = settle(() => expect(decodeZeroes(segments, 100)).toHaveLength(100))
      expect(settle(() => decodeZeroesInto(segments, new Uint8Array(100)))).toBe(outcome)
    })
    fc.assert(property, propertyOptions(5000))
  })

  it('fill what was in the target before', () => {
    const target = new Uint8Array(6).fill(9)
    decodeZeroesInto(hex('0402 aa'), target)
    expect(hexOf(target)).toBe('0000aa000000')
  })

  it.each([
    ['a start that does not end', hex('80')],
    ['numbers that do not end, many', hex('80'.repeat(65536))],
    ['a start without length', hex('02')],
    ['a negative start', hex('01 02 aa')],
    ['a negative length', hex('00 01 aa')],
    ['bytes that are cut', hex('00 04 aa')],
    ['bytes past the end', hex('c601 04 aabb')],
    ['a start past the end', hex('ca01 00')],
    ['segments that overlap', hex('00 04 aabb', '02 02 cc')],
    ['segments that go back', hex('08 02 aa', '00 02 bb')],
    ['a start of 2^63 - 1', Uint8Array.from([...leb128(2n ** 64n - 2n), 0])],
    [
      'a start and a length that overflow together',
      Uint8Array.from([...leb128(2n ** 53n - 2n), ...leb128(2n ** 53n - 2n)]),
    ],
  ])('refuse as malformed: %s', (_, segments) => {
    expect(settle(() => decodeZeroes(segments, 100))).toBe('MALFORMED')
  })

  it('refuse a decoded length past the limit before they allocate', () => {
    const packet = (length: string) => hex('02 05', '00'.repeat(8), length)
    expect(outcomeOf(packet('00 00 00 00 00 00 00 80'))).toBe('MALFORMED') // 2^63
    expect(outcomeOf(packet('ff ff ff ff ff ff 1f 00'))).toBe('LIMIT_EXCEEDED') // 2^53 - 1
    expect(outcomeOf(packet('01 00 01 00 00 00 00 00'))).toBe('LIMIT_EXCEEDED') // one more than the limit
    expect(outcomeOf(packet('00 00 01 00 00 00 00 00'))).toBe('value')
    // Until someone wants the bytes, only the number is there: a receiver that can discard needs no buffer.
    expect(decodePacket(packet('ff ff ff ff ff ff 1f 00'))).toMatchObject({ length: 2 ** 53 - 1 })
  })
})
