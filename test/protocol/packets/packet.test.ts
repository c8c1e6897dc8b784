import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { COMMAND } from '../../../src/protocol/packets/commands.ts'
import { decodePacket, encodePacket } from '../../../src/protocol/packets/packet.ts'
import { propertyOptions } from '../../support/seed.ts'
import { anyPacket } from './any-packet.ts'
import { hexOf, joined } from './hex.ts'
import { outcomeOf } from './outcome.ts'

const plain = (value: unknown) => structuredClone(value)

describe('any packet', () => {
  it('comes back as it was sent, from anywhere in a buffer', () => {
    const property = fc.property(anyPacket, fc.nat(9), (packet, shift) => {
      const bytes = joined(encodePacket(packet))
      const buffer = new Uint8Array(bytes.length + 20).fill(0xee)
      buffer.set(bytes, shift)
      const payload = buffer.subarray(shift, shift + bytes.length)
      const decoded = decodePacket(payload)
      // Records of fast-check have no prototype, and views differ in where they lie.
      expect(describeBytes(decoded)).toEqual(describeBytes(plain(packet)))
      expect(hexOf(joined(encodePacket(decoded)))).toBe(hexOf(bytes))
    })
    fc.assert(property, propertyOptions(3000))
  })

  it('cut and changed at random ends in a value or a code', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))
    const property = fc.property(anyPacket, fc.array(change, { maxLength: 4 }), fc.nat(), (packet, changes, cut) => {
      const bytes = joined(encodePacket(packet))
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      outcomeOf(bytes)
      outcomeOf(bytes.subarray(0, cut % (bytes.length + 1)))
    })
    fc.assert(property, propertyOptions(5000))
  })

  it('made of random bytes ends in a value or a code', () => {
    const command = fc.constantFrom(...Object.values(COMMAND))
    const property = fc.property(command, fc.uint8Array({ maxLength: 120 }), (first, rest) => {
      outcomeOf(Uint8Array.of(first, ...rest))
    })
    fc.assert(property, propertyOptions(10_000))
  })
})

/** The same with every array of bytes as hex digits. */
function describeBytes(value: unknown): unknown {
  if (value instanceof Uint8Array) return hexOf(value)
  if (ArrayBuffer.isView(value)) return [...(value as Uint32Array | BigUint64Array)]
  if (Array.isArray(value)) return value.map(describeBytes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, describeBytes(field)]))
}
