import { describe, expect, it } from 'vitest'
import { decodePacket, encodePacket, type Packet } from '../../../src/protocol/packets/packet.ts'
import { hex, hexOf, joined } from './hex.ts'

const SHA = `00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f
             10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f`
const data = hex('de ad be ef')

const layouts: [title: string, packet: Packet, bytes: Uint8Array][] = [
  [
    'read-at',
    { kind: 'read-at', offset: 0x3000, length: 4096 },
    hex(
      '01', // command
      '00 30 00 00 00 00 00 00', // offset
      '00 10 00 00', // length
    ),
  ],
  [
    'read-at of the last byte there can be, and the longest',
    { kind: 'read-at', offset: 2 ** 53 - 1, length: 2 ** 31 - 1 },
    hex(
      '01', // command
      'ff ff ff ff ff ff 1f 00', // offset
      'ff ff ff 7f', // length
    ),
  ],
  [
    'read-at-response',
    { kind: 'read-at-response', bytes: 3, data },
    hex(
      '81', // command
      '03 00 00 00', // bytes read, one fewer than follow
      'de ad be ef', // data
    ),
  ],
  ['read-at-response-error', { kind: 'read-at-response-error' }, hex('82')],
  [
    'write-at, data',
    { kind: 'write-at', form: 'data', offset: 0x3000, data },
    hex(
      '02 00', // command, form
      '00 30 00 00 00 00 00 00', // offset
      'de ad be ef', // data
    ),
  ],
  [
    'write-newer',
    { kind: 'write-newer', generation: 0x01020304, write: { kind: 'write-at', form: 'data', offset: 0x3000, data } },
    hex(
      '46', // command
      '04 03 02 01', // generation
      '02 00', // a write-at: command, form
      '00 30 00 00 00 00 00 00', // offset
      'de ad be ef', // data
    ),
  ],
  [
    'padding',
    { kind: 'padding', bytes: 3 },
    hex(
      '61', // command
      '00 00 00', // to be skipped
    ),
  ],
  [
    'write-at, hash',
    { kind: 'write-at', form: 'hash', location: 'base-image', offset: 0x10000, length: 0x8000, hash: hex(SHA) },
    hex(
      '02 01', // command, form
      '02', // location: base image
      '00 00 01 00 00 00 00 00', // offset
      '00 80 00 00 00 00 00 00', // length
      SHA,
    ),
  ],
  [
    'write-at, RLE',
    { kind: 'write-at', form: 'rle', offset: 0x1000, tokens: hex('04 01 02  0b 00') },
    hex(
      '02 02', // command, form
      '00 10 00 00 00 00 00 00', // offset
      '04  01 02', // literal of 2
      '0b  00', // run of 5
    ),
  ],
  [
    'write-at, you-already-have',
    { kind: 'write-at', form: 'you-already-have', blockSize: 65536, blocks: Uint32Array.of(0, 2, 5) },
    hex(
      '02 03', // command, form
      '00 00 01 00 00 00 00 00', // block size
      '03 00 00 00', // count
      '00 00 00 00  02 00 00 00  05 00 00 00', // blocks
    ),
  ],
  [
    'write-at, gzip',
    { kind: 'write-at', form: 'gzip', offset: 1, member: hex('1f 8b') },
    hex(
      '02 04', // command, form
      '01 00 00 00 00 00 00 00', // offset
      '1f 8b', // not looked at yet
    ),
  ],
  [
    'write-at, zeroes',
    { kind: 'write-at', form: 'zeroes', offset: 0x1000, length: 20, segments: hex('06 04 aa bb') },
    hex(
      '02 05', // command, form
      '00 10 00 00 00 00 00 00', // offset
      '14 00 00 00 00 00 00 00', // decoded length
      '06  04  aa bb', // segment at 3 of 2
    ),
  ],
  [
    'write-at-response',
    { kind: 'write-at-response', bytes: 4 },
    hex(
      '83', // command
      '04 00 00 00', // bytes written
    ),
  ],
  ['write-at-response-error', { kind: 'write-at-response-error' }, hex('84')],
  [
    'need-at',
    { kind: 'need-at', offset: 0x3000, length: 0x1000 },
    hex(
      '03', // command
      '00 30 00 00 00 00 00 00', // offset
      '00 10 00 00', // length
    ),
  ],
  [
    'dont-need-at',
    { kind: 'dont-need-at', offset: 0x3000, length: 0x2000 },
    hex(
      '04', // command
      '00 30 00 00 00 00 00 00', // offset
      '00 20 00 00', // length
    ),
  ],
  [
    'dirty-list',
    { kind: 'dirty-list', blockSize: 4096, blocks: Uint32Array.of(1, 7, 0xffffffff) },
    hex(
      '05', // command
      '00 10 00 00', // block size
      '03 00 00 00', // count
      '01 00 00 00  07 00 00 00  ff ff ff ff', // blocks
    ),
  ],
  ['dirty-list-response', { kind: 'dirty-list-response' }, hex('87')],
  [
    'dev-info',
    { kind: 'dev-info', size: 2 ** 40, blockSize: 4096, name: 'dïsk', schema: '{}' },
    hex(
      '06', // command
      '00 00 00 00 00 01 00 00', // size
      '00 10 00 00', // block size
      '05 00', // length of the name
      '64 c3 af 73 6b', // name
      '02 00 00 00', // length of the schema
      '7b 7d', // schema
    ),
  ],
  ['event', { kind: 'event', type: 'completed' }, hex('07', '04')],
  [
    'event of the application',
    { kind: 'event', type: 'custom', customType: 0, payload: hex('48 65') },
    hex(
      '07 05', // command, type
      '00', // type of the application
      '48 65', // payload
    ),
  ],
  ['event-response', { kind: 'event-response' }, hex('85')],
  [
    'hashes',
    { kind: 'hashes', blocks: Uint32Array.of(3, 1), digests: hex(SHA, SHA) },
    hex(
      '08', // command
      '03 00 00 00', // block
      SHA,
      '01 00 00 00', // block
      SHA,
    ),
  ],
  ['hashes-response', { kind: 'hashes-response' }, hex('86')],
  [
    'write-at-with-map',
    { kind: 'write-at-with-map', offset: 0x1000, map: [{ id: 2n ** 64n - 1n, block: 9 }], data },
    hex(
      '09', // command
      '00 10 00 00 00 00 00 00', // offset
      '01 00 00 00', // count
      'ff ff ff ff ff ff ff ff', // id
      '09 00 00 00 00 00 00 00', // block
      'de ad be ef', // data
    ),
  ],
  ['remove-dev', { kind: 'remove-dev' }, hex('0a')],
  [
    'remove-from-map',
    { kind: 'remove-from-map', ids: BigUint64Array.of(1n, 2n ** 63n) },
    hex(
      '0b', // command
      '02 00 00 00', // count
      '01 00 00 00 00 00 00 00', // id
      '00 00 00 00 00 00 00 80', // id
    ),
  ],
  [
    'alternate-sources',
    { kind: 'alternate-sources', sources: [{ offset: 0, length: 65536, hash: hex(SHA), location: 'h b d' }] },
    hex(
      '0c', // command
      '01 00 00 00', // count
      '00 00 00 00 00 00 00 00', // offset
      '00 00 01 00 00 00 00 00', // length
      SHA,
      '05 00 00 00', // length of the location
      '68 20 62 20 64', // location
    ),
  ],
  [
    'device-group-info',
    {
      kind: 'device-group-info',
      devices: [
        { kind: 'dev-info', dev: 2, size: 200, blockSize: 2, name: 'b', schema: 'x' },
        { kind: 'dev-info', dev: 1, size: 100, blockSize: 1, name: 'a', schema: '' },
      ],
    },
    hex(
      '0d', // command
      '02 00 00 00', // device
      '15 00 00 00', // length of what follows
      '06  c8 00 00 00 00 00 00 00  02 00 00 00  01 00 62  01 00 00 00 78', // dev-info
      '01 00 00 00', // device
      '14 00 00 00', // length of what follows
      '06  64 00 00 00 00 00 00 00  01 00 00 00  01 00 61  00 00 00 00', // dev-info
    ),
  ],
  [
    'read-by-hash',
    { kind: 'read-by-hash', hash: hex(SHA) },
    hex(
      '0e', // command
      SHA,
    ),
  ],
  [
    'read-by-hash-response',
    { kind: 'read-by-hash-response', data },
    hex(
      '88', // command
      '04 00 00 00', // length
      'de ad be ef', // data
    ),
  ],
  [
    'read-by-hash-response-error',
    { kind: 'read-by-hash-response-error', error: 'block not found' },
    hex(
      '89', // command
      '0f 00 00 00', // length
      '62 6c 6f 63 6b 20 6e 6f 74 20 66 6f 75 6e 64', // message
    ),
  ],
]

describe('the layout of each packet', () => {
  it.each(layouts)('%s is written', (_, packet, bytes) => {
    expect(hexOf(joined(encodePacket(packet)))).toBe(hexOf(bytes))
  })

  it.each(layouts)('%s is read', (_, packet, bytes) => {
    expect(decodePacket(bytes)).toEqual(packet)
  })
})

describe('data is borrowed, not copied:', () => {
  const borrowing = layouts.filter(
    ([, packet]) => ['write-at', 'read-at-response'].includes(packet.kind) && 'data' in packet,
  )

  it.each(borrowing)('%s is sent from where it lies', (_, packet) => {
    expect(encodePacket(packet).data).toBe((packet as { data: Uint8Array }).data)
  })

  it.each(borrowing)('%s is read as a view of the payload', (_, __, bytes) => {
    const { data } = decodePacket(bytes) as { data: Uint8Array }
    expect(data.buffer).toBe(bytes.buffer)
    expect(data.byteOffset).toBe(bytes.length - data.length)
  })
})
