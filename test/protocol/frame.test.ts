import { describe, expect, it } from 'vitest'
import { encodeFrame } from '../../src/protocol/frame.ts'
import { LARGEST_PAYLOAD_BYTES } from '../../src/protocol/limits.ts'
import { encodePacket } from '../../src/protocol/packets/packet.ts'
import { expectCode } from '../conformance/case.ts'
import { hex, hexOf } from './packets/hex.ts'

const whole = (pieces: readonly Uint8Array[]) => hexOf(Buffer.concat(pieces))

describe('a frame', () => {
  it('is a header and a packet', () => {
    const packet = encodePacket({ kind: 'write-at', form: 'data', offset: 0x3000, data: hex('deadbeef') })
    const expected = hex(
      '01 00 00 00', // device
      '07 00 00 00', // id
      '0e 00 00 00', // length of what follows
      '02 00', // command, form
      '00 30 00 00 00 00 00 00', // offset
      'de ad be ef', // data
    )
    expect(whole(encodeFrame({ dev: 1, id: 7 }, packet))).toBe(hexOf(expected))
  })

  it('has numbers of 32 bits', async () => {
    const packet = encodePacket({ kind: 'remove-dev' })
    const last = 2 ** 32 - 1
    expect(whole(encodeFrame({ dev: last, id: last }, packet))).toBe('ffffffffffffffff010000000a')
    await expectCode(() => encodeFrame({ dev: 2 ** 32, id: 1 }, packet), 'INVALID_ARGUMENT', 'dev')
    await expectCode(() => encodeFrame({ dev: 1, id: -1 }, packet), 'INVALID_ARGUMENT', 'id')
  })

  it('borrows the data: two pieces, the second the very view', () => {
    const data = new Uint8Array(65536)
    const pieces = encodeFrame({ dev: 1, id: 7 }, encodePacket({ kind: 'write-at', form: 'data', offset: 0, data }))
    expect(pieces).toHaveLength(2)
    expect(pieces[1]).toBe(data)
  })

  it('has no empty piece', () => {
    const empty = encodePacket({ kind: 'read-at-response', bytes: 0, data: new Uint8Array(0) })
    expect(encodeFrame({ dev: 1, id: 7 }, empty).map(({ length }) => length)).toEqual([17])
  })

  it('copies a short head and borrows a long one', () => {
    const list = (count: number) => encodePacket({ kind: 'dirty-list', blockSize: 1, blocks: new Uint32Array(count) })
    expect(encodeFrame({ dev: 1, id: 7 }, list(2))).toHaveLength(1)
    const long = list(1000)
    expect(encodeFrame({ dev: 1, id: 7 }, long)[1]).toBe(long.head)
  })

  it('is refused when no peer would take it', async () => {
    const sized = (length: number) => ({ head: hex('02'), data: new Uint8Array(length - 1) })
    expect(encodeFrame({ dev: 1, id: 1 }, sized(LARGEST_PAYLOAD_BYTES))).toHaveLength(2)
    await expectCode(() => encodeFrame({ dev: 1, id: 1 }, sized(LARGEST_PAYLOAD_BYTES + 1)), 'INVALID_ARGUMENT', 'long')
    await expectCode(
      () => encodeFrame({ dev: 1, id: 1 }, { head: hex(''), data: undefined }),
      'INVALID_ARGUMENT',
      'empty',
    )
  })
})
