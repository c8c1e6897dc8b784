import { describe, expect, it } from 'vitest'
import * as limits from '../../../src/protocol/limits.ts'
import { decodePacket, encodePacket, type Packet } from '../../../src/protocol/packets/packet.ts'
import { expectCode } from '../../conformance/case.ts'
import { hex, joined } from './hex.ts'
import { outcomeOf, settle } from './outcome.ts'

const FAR = '00 00 00 00 00 00 20 00' // 2^53
const NEGATIVE = 'ff ff ff ff ff ff ff ff'
const NO_OFFSET = '00 00 00 00 00 00 00 00'

const malformed: [attack: string, payload: Uint8Array][] = [
  ['nothing at all', hex('')],
  ['a command that means nothing', hex('0f')],
  ['an answer that means nothing', hex('8a')],
  ['command 0', hex('00')],
  ['need-at before the disk', hex('03', NEGATIVE, '00 10 00 00')],
  ['dont-need-at of a negative length', hex('04', NO_OFFSET, '00 f0 ff ff')],
  ['read-at of a negative length', hex('01', NO_OFFSET, 'ff ff ff ff')],
  ['read-at past 2^53 - 1', hex('01', FAR, '00 10 00 00')],
  ['write-at before the disk', hex('02 00', 'fc ff ff ff ff ff ff ff', 'aa')],
  ['write-at in an unknown form', hex('02 06', NO_OFFSET)],
  ['write-at in the layout before October 2024', hex('02', '00 30 00 00 00 00 00 00', 'de ad')],
  ['a hash from nowhere', hex('02 01 00', NO_OFFSET, NO_OFFSET, '00'.repeat(32))],
  ['a hash from an unknown place', hex('02 01 03', NO_OFFSET, NO_OFFSET, '00'.repeat(32))],
  ['a hash that is too long', hex('02 01 01', NO_OFFSET, NO_OFFSET, '00'.repeat(33))],
  [
    'you-already-have of more blocks than follow',
    hex('02 03', '00 10 00 00 00 00 00 00', '02 00 00 00', '00 00 00 00'),
  ],
  ['you-already-have of blocks without size', hex('02 03', NO_OFFSET, '00 00 00 00')],
  ['a dirty list of 2^32 - 1 blocks', hex('05', '00 10 00 00', 'ff ff ff ff')],
  ['a dirty list of blocks without size', hex('05', '00 00 00 00', '00 00 00 00')],
  ['remove-from-map of 2^32 - 1 identifiers', hex('0b', 'ff ff ff ff')],
  ['a map of 2^32 - 1 entries', hex('09', NO_OFFSET, 'ff ff ff ff', '00'.repeat(64))],
  ['a map to a block past 2^53 - 1', hex('09', NO_OFFSET, '01 00 00 00', '01 00 00 00 00 00 00 00', FAR)],
  ['alternate sources, 2^32 - 1 of them', hex('0c', 'ff ff ff ff')],
  [
    'an alternate source with a cut location',
    hex('0c', '01 00 00 00', NO_OFFSET, NO_OFFSET, '00'.repeat(32), '02 00 00 00 61'),
  ],
  ['more bytes read than sent', hex('81', '05 00 00 00', '01 02 03 04')],
  ['a device with a name of 65,535 bytes that are not there', hex('06', NO_OFFSET, '00 10 00 00', 'ff ff', '61')],
  ['a device with a cut schema', hex('06', NO_OFFSET, '00 10 00 00', '00 00', 'ff ff ff ff')],
  ['a device without block size', hex('06', NO_OFFSET, '00 00 00 00', '00 00', '00 00 00 00')],
  ['a device larger than 2^53 - 1', hex('06', FAR, '00 10 00 00', '00 00', '00 00 00 00')],
  ['a name that is not UTF-8', hex('06', NO_OFFSET, '00 10 00 00', '01 00', 'ff', '00 00 00 00')],
  ['an unknown event', hex('07 06')],
  ['an event of the application without type', hex('07 05')],
  ['a cut hash', hex('08', '00 00 00 00', '00'.repeat(31))],
  ['read-by-hash of a short hash', hex('0e', '00'.repeat(31))],
  ['a block by hash that is longer than it says', hex('88', '01 00 00 00', 'aa bb')],
  ['a message shorter than it says', hex('89', '04 00 00 00', '61')],
]

describe('is refused as malformed:', () => {
  it.each(malformed)('%s', (_, payload) => expect(settle(() => decodePacket(payload))).toBe('MALFORMED'))
})

describe('the numbers of a group of devices', () => {
  const info = '13 00 00 00  06 00 04 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 00'
  const refused: [string, string[]][] = [
    ['begin with 1', ['00 00 00 00', info]],
    ['have no gap', ['01 00 00 00', info, '03 00 00 00', info]],
    ['are each used once', ['01 00 00 00', info, '01 00 00 00', info]],
    ['end at the number of devices', ['ff ff ff ff', info]],
  ]
  it.each(refused)('%s', (_, groups) => expect(outcomeOf(hex('0d', ...groups))).toBe('MALFORMED'))

  it('may come in any order', () => {
    expect(outcomeOf(hex('0d', '02 00 00 00', info, '01 00 00 00', info))).toBe('value')
  })

  it.each([
    ['cut', '12 00 00 00  06 00 04 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00'],
    ['longer than its packet', '14 00 00 00  06 00 04 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 00 00'],
    ['empty', '00 00 00 00'],
    ['another packet', '01 00 00 00  0a'],
    ['as long as the address space', 'ff ff ff ff'],
  ])('are refused with information that is %s', (_, bad) =>
    expect(outcomeOf(hex('0d', '01 00 00 00', bad))).toBe('MALFORMED'),
  )
})

describe('is refused as too much:', () => {
  const info = (name: number, schema: number): Packet => {
    return { kind: 'dev-info', size: 0, blockSize: 1, name: 'n'.repeat(name), schema: 's'.repeat(schema) }
  }
  const list = (count: number): Packet => ({ kind: 'dirty-list', blockSize: 1, blocks: new Uint32Array(count) })
  const ids = (count: number): Packet => ({ kind: 'remove-from-map', ids: new BigUint64Array(count) })
  const map = (count: number): Packet => {
    const entries = Array.from({ length: count }, (_, block) => ({ id: 0n, block }))
    return { kind: 'write-at-with-map', offset: 0, map: entries, data: new Uint8Array(0) }
  }
  const hashes = (count: number): Packet => {
    return { kind: 'hashes', blocks: new Uint32Array(count), digests: new Uint8Array(count * 32) }
  }
  const sources = (count: number): Packet => {
    const source = { offset: 0, length: 1, hash: new Uint8Array(32), location: '' }
    return { kind: 'alternate-sources', sources: new Array(count).fill(source) }
  }
  const devices = (count: number): Packet => {
    const one = { kind: 'dev-info', size: 0, blockSize: 1, name: '', schema: '' } as const
    return {
      kind: 'device-group-info',
      devices: Array.from({ length: count }, (_, index) => ({ ...one, dev: index + 1 })),
    }
  }
  const counted: [string, (count: number) => Packet, number][] = [
    ['dirty blocks', list, limits.LISTED_BLOCKS],
    ['removed identifiers', ids, limits.REMOVED_IDS],
    ['a map', map, limits.MAPPED_BLOCKS],
    ['hashes', hashes, limits.LISTED_HASHES],
    ['alternate sources', sources, limits.ALTERNATE_SOURCES],
    ['devices', devices, limits.DEVICES],
  ]
  it.each(counted)('%s past their limit, which itself is taken', (_, make, limit) => {
    expect(outcomeOf(joined(encodePacket(make(limit))))).toBe('value')
    expect(outcomeOf(joined(encodePacket(make(limit + 1))))).toBe('LIMIT_EXCEEDED')
  })

  it('a name and a schema past their limits, by either side', async () => {
    expect(outcomeOf(joined(encodePacket(info(limits.NAME_BYTES, limits.SCHEMA_BYTES))))).toBe('value')
    await expectCode(() => encodePacket(info(limits.NAME_BYTES + 1, 0)), 'INVALID_ARGUMENT', 'name')
    await expectCode(() => encodePacket(info(0, limits.SCHEMA_BYTES + 1)), 'INVALID_ARGUMENT', 'schema')
    const name = hex('06', NO_OFFSET, '00 10 00 00', '01 04', '61'.repeat(1025), '00 00 00 00')
    expect(outcomeOf(name)).toBe('LIMIT_EXCEEDED')
    const schema = hex('06', NO_OFFSET, '00 10 00 00', '00 00', '01 00 01 00', '61'.repeat(65537))
    expect(outcomeOf(schema)).toBe('LIMIT_EXCEEDED')
  })

  it('a location and a message past their limits', () => {
    const location = hex('0c', '01 00 00 00', NO_OFFSET, NO_OFFSET, '00'.repeat(32), '01 10 00 00', '61'.repeat(4097))
    expect(outcomeOf(location)).toBe('LIMIT_EXCEEDED')
    expect(outcomeOf(hex('89', '01 10 00 00', '61'.repeat(4097)))).toBe('LIMIT_EXCEEDED')
  })
})

describe('a packet of ours that no field can hold is refused with INVALID_ARGUMENT:', () => {
  const range = { offset: 0, length: 0 }
  const wrong: [string, Packet][] = [
    ['a negative offset', { kind: 'read-at', ...range, offset: -1 }],
    ['a fraction', { kind: 'need-at', ...range, offset: 0.5 }],
    ['an offset of 2^53', { kind: 'need-at', ...range, offset: 2 ** 53 }],
    ['a length of 2^31', { kind: 'dont-need-at', ...range, length: 2 ** 31 }],
    ['bytes past 32 bits', { kind: 'write-at-response', bytes: 2 ** 32 }],
    [
      'an identifier of 65 bits',
      { kind: 'write-at-with-map', offset: 0, map: [{ id: 2n ** 64n, block: 0 }], data: hex('') },
    ],
    ['a negative identifier', { kind: 'write-at-with-map', offset: 0, map: [{ id: -1n, block: 0 }], data: hex('') }],
    ['a type of the application of 9 bits', { kind: 'event', type: 'custom', customType: 256, payload: hex('') }],
    ['an event without name', { kind: 'event', type: 'nothing' as 'completed' }],
    [
      'a hash from nowhere',
      { kind: 'write-at', form: 'hash', location: 'moon' as 's3', ...range, hash: new Uint8Array(32) },
    ],
    ['a short hash', { kind: 'read-by-hash', hash: new Uint8Array(31) }],
    ['more blocks than hashes', { kind: 'hashes', blocks: new Uint32Array(2), digests: new Uint8Array(32) }],
  ]
  it.each(wrong)('%s', async (_, packet) => {
    await expectCode(() => encodePacket(packet), 'INVALID_ARGUMENT', 'encoding')
  })
})
