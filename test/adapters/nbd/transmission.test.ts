import { describe, expect, it } from 'vitest'
import { refusalOf } from '../../../src/adapters/nbd/check-request.ts'
import { ERRNO } from '../../../src/adapters/nbd/codes.ts'
import { REQUEST_BYTES } from '../../../src/adapters/nbd/limits.ts'
import {
  emptyChunk,
  errorChunk,
  holeChunk,
  simpleReply,
  statusChunk,
  writeDataChunk,
} from '../../../src/adapters/nbd/replies.ts'
import { type Request, RequestReader } from '../../../src/adapters/nbd/transmission.ts'
import { hex, toHex } from './hex.ts'

const write = hex(`
  25 60 95 13                # magic
  00 01                      # flags: FUA
  00 01                      # WRITE
  "cookie01"
  00 00 00 01 00 00 02 00    # offset
  00 00 00 04                # length
  "data"`)
const read = hex('25 60 95 13  00 00  00 00  "cookie02"  00 00 00 00 00 00 10 00  00 00 20 00')

describe('the reader of requests', () => {
  it('reads a header, asks for the payload, and says when it is complete', () => {
    const reader = new RequestReader()
    expect(reader.receive(write)).toBe('request')
    expect(reader.consumed).toBe(28)
    expect(reader.request).toEqual({
      command: 1,
      flags: 1,
      cookieHigh: 0x636f6f6b,
      cookieLow: 0x69653031,
      offset: 0x1_0000_0200,
      length: 4,
    })
    const target = new Uint8Array(4)
    reader.placePayload(target)
    expect(reader.receive(write.subarray(28, 30))).toBe('more')
    expect(reader.receive(write.subarray(30))).toBe('payload')
    expect(toHex(target)).toBe(toHex(hex('"data"')))
    expect(reader.inside).toBe(false)
  })

  it('takes one byte at a time', () => {
    const reader = new RequestReader()
    const events: string[] = []
    const target = new Uint8Array(4)
    for (const byte of write) {
      const event = reader.receive(Uint8Array.of(byte))
      events.push(event)
      if (event === 'request') reader.placePayload(target)
    }
    expect(events.filter((event) => event !== 'more')).toEqual(['request', 'payload'])
    expect(toHex(target)).toBe(toHex(hex('"data"')))
  })

  it('asks again for the payload and takes nothing until it is told', () => {
    const reader = new RequestReader()
    reader.receive(write)
    expect(reader.receive(write.subarray(28))).toBe('request')
    expect(reader.consumed).toBe(0)
  })

  it('lets a payload pass by', () => {
    const reader = new RequestReader()
    reader.receive(write)
    reader.skipPayload()
    expect(reader.receive(write.subarray(28, 31))).toBe('more')
    expect(reader.place).toBeUndefined()
    expect(reader.receive(write.subarray(31))).toBe('payload')
    expect(reader.receive(read)).toBe('request')
  })

  it('gives the place for a payload, so that it need not be copied', () => {
    const reader = new RequestReader()
    expect(reader.place).toBeUndefined()
    reader.receive(write)
    const target = new Uint8Array(4)
    reader.placePayload(target)
    reader.place!.set(write.subarray(28, 29))
    expect(reader.placed(1)).toBe('more')
    expect(reader.place!.length).toBe(3)
    reader.place!.set(write.subarray(29))
    expect(reader.placed(3)).toBe('payload')
    expect(toHex(target)).toBe(toHex(hex('"data"')))
    expect(reader.place).toBeUndefined()
  })

  it('reads requests without a payload one behind the other', () => {
    const reader = new RequestReader()
    expect(reader.receive(read)).toBe('request')
    expect(reader.request).toMatchObject({ command: 0, offset: 4096, length: 8192 })
    expect(reader.receive(read.subarray(0, 27))).toBe('more')
    expect(reader.inside).toBe(true)
    expect(reader.receive(read.subarray(27))).toBe('request')
  })

  it('asks for no payload of an empty write', () => {
    const reader = new RequestReader()
    const empty = write.slice(0, 28)
    empty[27] = 0
    expect(reader.receive(empty)).toBe('request')
    expect(reader.receive(read)).toBe('request')
  })

  it('is broken for good by a wrong magic', () => {
    const reader = new RequestReader()
    expect(reader.receive(hex(`67 44 66 98 ${'00 '.repeat(24)}`))).toBe('broken')
    expect(reader.receive(read)).toBe('broken')
    expect(reader.consumed).toBe(0)
  })

  it('never takes an offset for a small one, however large it is', () => {
    const reader = new RequestReader()
    reader.receive(hex('25 60 95 13  00 00  00 00  "cookie02"  ff ff ff ff ff ff ff ff  00 00 00 01'))
    expect(reader.request!.offset).toBeGreaterThan(Number.MAX_SAFE_INTEGER)
  })
})

const cookie = { cookieHigh: 0x636f6f6b, cookieLow: 0x69653031 }

describe('replies', () => {
  it.each([
    ['a simple reply', simpleReply(cookie, 5), '67 44 66 98  00 00 00 05  "cookie01"'],
    ['an empty structured reply', emptyChunk(cookie), '66 8e 33 ef  00 01  00 00  "cookie01"  00 00 00 00'],
    [
      'a hole',
      holeChunk(cookie, { offset: 0x1_0000_0200, length: 0x8000, done: false }),
      '66 8e 33 ef  00 00  00 02  "cookie01"  00 00 00 0c  00 00 00 01 00 00 02 00  00 00 80 00',
    ],
    [
      'an error',
      errorChunk(cookie, 28, 'full'),
      '66 8e 33 ef  00 01  80 01  "cookie01"  00 00 00 0a  00 00 00 1c  00 04 "full"',
    ],
    [
      'a status',
      statusChunk(cookie, 1, [
        { length: 0x1000, hole: false },
        { length: 0x2000, hole: true },
      ]),
      `66 8e 33 ef  00 01  00 05  "cookie01"  00 00 00 14  00 00 00 01
       00 00 10 00  00 00 00 00
       00 00 20 00  00 00 00 03`,
    ],
  ])('%s', (_, bytes, expected) => expect(toHex(bytes)).toBe(toHex(hex(expected))))

  it('the header of data', () => {
    const view = new DataView(new ArrayBuffer(30))
    writeDataChunk(view, 2, cookie, { offset: 0x1_0000_0200, length: 0x40000, done: true })
    expect(toHex(new Uint8Array(view.buffer, 2))).toBe(
      toHex(hex('66 8e 33 ef  00 01  00 01  "cookie01"  00 04 00 08  00 00 00 01 00 00 02 00')),
    )
  })

  it('an error whose sentence is too long is cut between two characters', () => {
    const bytes = errorChunk(cookie, 5, 'ä'.repeat(3000))
    expect(toHex(bytes.subarray(16, 20))).toBe('00001006')
    expect(toHex(bytes.subarray(24, 26))).toBe('1000')
    expect(bytes.length).toBe(20 + 6 + 4096)
  })
})

describe('a request is refused', () => {
  const terms = { size: 1 << 20, readOnly: false, structured: true, allocation: true }
  const request = (changes: Partial<Request>): Request => ({
    ...{ command: 0, flags: 0, cookieHigh: 0, cookieLow: 0, offset: 0, length: 512 },
    ...changes,
  })

  const refused: [string, Partial<Request>, Partial<typeof terms>, number][] = [
    ['an unknown command', { command: 5 }, {}, ERRNO.EINVAL],
    ['a command there never was', { command: 0xffff }, {}, ERRNO.EINVAL],
    ['an unknown flag', { flags: 32 }, {}, ERRNO.EINVAL],
    ['DF with a write', { command: 1, flags: 4 }, {}, ERRNO.EINVAL],
    ['DF without structured replies', { flags: 4 }, { structured: false }, ERRNO.EINVAL],
    ['a read past the end', { offset: (1 << 20) - 511 }, {}, ERRNO.EINVAL],
    ['a read from nowhere', { offset: 2 ** 64, length: 0 }, {}, ERRNO.EINVAL],
    ['a write past the end', { command: 1, offset: (1 << 20) - 511 }, {}, ERRNO.ENOSPC],
    ['zeroes past the end', { command: 6, length: 0xffffffff }, {}, ERRNO.ENOSPC],
    ['a trim past the end', { command: 4, offset: 1 << 20 }, {}, ERRNO.EINVAL],
    ['a status past the end', { command: 7, offset: 1 << 20 }, {}, ERRNO.EINVAL],
    ['a status of nothing', { command: 7, length: 0 }, {}, ERRNO.EINVAL],
    ['a status that was not agreed on', { command: 7 }, { allocation: false }, ERRNO.EINVAL],
    ['too long a read', { length: REQUEST_BYTES + 1 }, { size: 2 ** 40 }, ERRNO.EINVAL],
    ['too long a write', { command: 1, length: REQUEST_BYTES + 1 }, { size: 2 ** 40 }, ERRNO.EINVAL],
    ['a write to what is read-only', { command: 1 }, { readOnly: true }, ERRNO.EPERM],
    ['zeroes to what is read-only', { command: 6 }, { readOnly: true }, ERRNO.EPERM],
    ['a trim of what is read-only', { command: 4 }, { readOnly: true }, ERRNO.EPERM],
  ]
  it.each(refused)('%s', (_, changes, others, errno) => {
    expect(refusalOf(request(changes), { ...terms, ...others })?.errno).toBe(errno)
  })

  const carriedOut: [string, Partial<Request>][] = [
    ['the last bytes', { offset: (1 << 20) - 512 }],
    ['nothing at the end', { offset: 1 << 20, length: 0 }],
    ['an empty write', { command: 1, length: 0 }],
    ['FUA with a read', { flags: 1 }],
    ['FUA with a flush', { command: 3, flags: 1, length: 0 }],
    ['a flush that names a range', { command: 3, offset: 2 ** 60 }],
    ['zeroes with all their flags', { command: 6, flags: 1 | 2 | 16 }],
    ['the status of one range', { command: 7, flags: 8 }],
    ['the longest read', { length: REQUEST_BYTES }],
  ]
  it.each(carriedOut)('and not %s', (_, changes) => {
    expect(
      refusalOf(request(changes), { ...terms, size: changes.length === REQUEST_BYTES ? 2 ** 40 : terms.size }),
    ).toBe(undefined)
  })
})
