import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../../../src/protocol/byte-writer.ts'
import { COMMAND, isOwnCommand } from '../../../src/protocol/packets/commands.ts'
import { expandWrite } from '../../../src/protocol/packets/expand-write.ts'
import { decodePacket, encodePacket, isResponse } from '../../../src/protocol/packets/packet.ts'
import { expectCode } from '../../conformance/case.ts'
import { gzipData, packetOf, packetVectors, titleOf } from './golden-vectors.ts'
import { hex, hexOf, joined } from './hex.ts'

/** An offset that no disk of 2^53 - 1 bytes has and no number can hold: the only vector that is refused. */
const tooFar = packetVectors.filter(({ fields }) => Number(fields.offset) > Number.MAX_SAFE_INTEGER)
const named = packetVectors
  .filter((vector) => !tooFar.includes(vector))
  .map((vector) => [titleOf(vector), vector] as const)
const withoutGzip = named.filter(([, vector]) => gzipData(vector) === undefined)

describe('what Silo has written', () => {
  it('has a vector for every command of its', () => {
    const commands = new Set(packetVectors.map((vector) => hex(vector.hex)[0]))
    expect(Object.values(COMMAND).filter((command) => !isOwnCommand(command) && !commands.has(command))).toEqual([])
  })

  it.each(withoutGzip)('is written byte for byte: %s', (_, vector) => {
    expect(hexOf(joined(encodePacket(packetOf(vector))))).toBe(vector.hex)
  })

  it.each(withoutGzip)('is read: %s', (_, vector) => {
    expect(decodePacket(hex(vector.hex))).toEqual(packetOf(vector))
  })

  it.each(named)('is read and written again byte for byte: %s', (_, vector) => {
    expect(hexOf(joined(encodePacket(decodePacket(hex(vector.hex)))))).toBe(vector.hex)
  })

  it.each(named.filter(([, { fields }]) => ['data', 'rle', 'gzip', 'zeroes'].includes(fields.kind)))(
    'brings the bytes that went in: %s',
    async (_, { hex: digits, fields }) => {
      const packet = decodePacket(hex(digits))
      if (packet.kind !== 'write-at' || packet.form === 'hash' || packet.form === 'you-already-have') throw packet
      expect(hexOf(await expandWrite(packet))).toBe(fields.data)
    },
  )

  it.each(named)('is a question or an answer as its first byte says: %s', (_, vector) => {
    const payload = hex(vector.hex)
    expect(isResponse(decodePacket(payload))).toBe((payload[0]! & 0x80) !== 0)
  })

  it('has one read-at too far for a number, which has the known layout and is refused on both sides', async () => {
    expect(tooFar).toHaveLength(1)
    const { hex: digits, fields } = tooFar[0]!
    const written = new ByteWriter(13).u8(COMMAND.readAt).u64(BigInt(fields.offset)).u31(fields.length).done()
    expect(hexOf(written)).toBe(digits)
    await expectCode(() => decodePacket(hex(digits)), 'MALFORMED', 'decoding')
    await expectCode(() => encodePacket(packetOf(tooFar[0]!)), 'INVALID_ARGUMENT', 'encoding')
  })
})
