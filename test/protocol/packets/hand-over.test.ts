import { describe, expect, it } from 'vitest'
import { CLAIMED_PAGES, KEPT_RANGES, LEAF_PAGES } from '../../../src/protocol/limits.ts'
import { decodePacket, encodePacket, type Packet } from '../../../src/protocol/packets/packet.ts'
import { LEAVES_BYTES } from '../../../src/protocol/packets/read-digests.ts'
import { hex, hexOf, joined } from './hex.ts'
import { outcomeOf } from './outcome.ts'

const ID = '00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f'
const EPOCH = '07 00 00 00 00 00 00 00'
const begin = { kind: 'begin', diskId: hex(ID), epoch: 7, migrationId: hex(ID) } as const
const mac = hex(ID, ID)

const layouts: [title: string, packet: Packet, bytes: Uint8Array][] = [
  [
    'begin of something new',
    { ...begin, isReleased: false, mayBeIncomplete: true, token: { type: 'key', key: hex(ID) } },
    hex('47 02', ID, EPOCH, ID, ID),
  ],
  [
    'begin that goes on',
    { ...begin, isReleased: true, mayBeIncomplete: false, token: { type: 'proof', mac } },
    hex('47 05', ID, EPOCH, ID, ID, ID),
  ],
  [
    'begin-response',
    { kind: 'begin-response', state: 'prepared', hasClaims: false, epoch: 7, mac },
    hex('c7 02 00', EPOCH, ID, ID),
  ],
  [
    'read-digests',
    { kind: 'read-digests', level: 'leaves', first: 5, count: 3 },
    hex('48 00', '05 00 00 00 03 00 00 00'),
  ],
  [
    'read-digests-response, leaves',
    { kind: 'read-digests-response', level: 'leaves', pages: new Uint8Array(LEAVES_BYTES).fill(9) },
    hex('c8 00', '09'.repeat(32 + 4096)),
  ],
  ['keep', { kind: 'keep', ranges: [{ first: 1, count: 2 }] }, hex('49', '01 00 00 00', '01 00 00 00 02 00 00 00')],
  ['keep-response', { kind: 'keep-response' }, hex('c9')],
  [
    'prepare',
    { kind: 'prepare', epoch: 7, missingBlocks: 1, root: hex(ID) },
    hex('4a', EPOCH, '01 00 00 00 00 00 00 00', '01', ID),
  ],
  ['prepare-response', { kind: 'prepare-response', root: hex(ID) }, hex('ca 01', ID)],
  ['commit', { kind: 'commit', epoch: 7 }, hex('4b', EPOCH)],
  ['commit-response', { kind: 'commit-response' }, hex('cb')],
  ['cancel', { kind: 'cancel', epoch: 7 }, hex('4c', EPOCH)],
  ['cancel-response', { kind: 'cancel-response' }, hex('cc')],
  ['complete', { kind: 'complete', root: undefined }, hex('4d 00', '00'.repeat(16))],
  ['complete-response', { kind: 'complete-response' }, hex('cd')],
]

describe('a packet of the hand-over', () => {
  it.each(layouts)('is laid out as drawn: %s', (_, packet, bytes) => {
    expect(hexOf(joined(encodePacket(packet)))).toBe(hexOf(bytes))
    expect(decodePacket(bytes)).toEqual(packet)
  })

  it.each(layouts)('is refused with a byte too few or too many: %s', (_, __, bytes) => {
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length)
      // An answer of no pages is one, and so is a page fewer.
      if (bytes[0] !== 0xc8 || length !== 2) expect(outcomeOf(cut), `cut to ${length}`).toBe('MALFORMED')
    }
    expect(outcomeOf(Uint8Array.of(...bytes, 0))).toBe('MALFORMED')
  })

  it.each([
    ['flags that mean nothing', hex('47 08', ID, EPOCH, ID, ID)],
    ['an epoch past 2^53', hex('4b', '00 00 00 00 00 00 20 00')],
    ['a state that means nothing', hex('c7 04 00', EPOCH, ID, ID)],
    ['a level that means nothing', hex('48 02', '00 00 00 00 01 00 00 00')],
    ['no pages', hex('48 01', '00 00 00 00 00 00 00 00')],
    ['an empty range', hex('49', '01 00 00 00', '00 00 00 00 00 00 00 00')],
    ['2^32 - 1 ranges that do not follow', hex('49', 'ff ff ff ff')],
    ['a root that is there twice', hex('4d 02', ID)],
    ['a root that is said not to be there', hex('4d 00', ID)],
  ])('is malformed with %s', (_, bytes) => expect(outcomeOf(bytes)).toBe('MALFORMED'))

  const pages = (level: 'claims' | 'leaves', bytes: number): Packet => {
    return { kind: 'read-digests-response', level, pages: new Uint8Array(bytes) }
  }
  const keep = (count: number): Packet => ({ kind: 'keep', ranges: new Array(count).fill({ first: 0, count: 1 }) })
  const counted: [string, (count: number) => Packet, number][] = [
    ['pages asked for', (count) => ({ kind: 'read-digests', level: 'claims', first: 0, count }), CLAIMED_PAGES],
    ['leaves asked for', (count) => ({ kind: 'read-digests', level: 'leaves', first: 0, count }), LEAF_PAGES],
    ['claims', (count) => pages('claims', 16 * count), CLAIMED_PAGES],
    ['leaves', (count) => pages('leaves', LEAVES_BYTES * count), LEAF_PAGES],
    ['kept ranges', keep, KEPT_RANGES],
  ]
  it.each(counted)('may have as many %s as the limit says, and no more', (_, make, limit) => {
    expect(outcomeOf(joined(encodePacket(make(limit))))).toBe('value')
    expect(outcomeOf(joined(encodePacket(make(limit + 1))))).toBe('LIMIT_EXCEEDED')
  })
})
