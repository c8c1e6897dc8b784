import { describe, expect, it } from 'vitest'
import { Handshake, type HandshakeOutcome } from '../../../src/adapters/nbd/handshake.ts'
import { type ExportFacts, greeting } from '../../../src/adapters/nbd/handshake-replies.ts'
import { OPTION_BYTES, OPTIONS } from '../../../src/adapters/nbd/limits.ts'
import { hex, join, toHex } from './hex.ts'

const disk: ExportFacts = { name: 'disk', description: 'a disk', size: 0x1_0000_0200, readOnly: false }
const locked: ExportFacts = { name: 'locked', description: '', size: 4096, readOnly: true }

function directory(...exports: ExportFacts[]) {
  return { closing: false, list: () => exports, find: (name: string) => exports.find((it) => it.name === name) }
}

/** Everything the server answers to these bytes, and how it ended. */
function shake(bytes: Uint8Array, exports = directory(disk, locked)) {
  const handshake = new Handshake(exports)
  const replies: Uint8Array[] = []
  let outcome: HandshakeOutcome<ExportFacts> | undefined
  let at = 0
  while (at < bytes.length && !outcome) {
    const progress = handshake.receive(bytes.subarray(at))
    at += progress.consumed
    replies.push(...progress.replies)
    outcome = progress.outcome
  }
  return { replies: toHex(join(replies)), outcome, rest: bytes.subarray(at) }
}

const flags = hex('00 00 00 03')
const option = (number: number, data: Uint8Array = new Uint8Array()) => {
  const header = Buffer.alloc(16)
  header.write('IHAVEOPT')
  header.writeUInt32BE(number, 8)
  header.writeUInt32BE(data.length, 12)
  return join([header, data])
}
const structured = option(8)
const accepted = (number: number) =>
  toHex(hex(`00 03 e8 89 04 55 65 a9  00 00 00 0${number}  00 00 00 01  00 00 00 00`))

describe('the NBD handshake', () => {
  it('greets with fixed newstyle and the offer to leave zeroes out', () => {
    expect(toHex(greeting())).toBe(toHex(hex('"NBDMAGIC" "IHAVEOPT" 00 03')))
  })

  it('goes into transmission with GO', () => {
    const { replies, outcome, rest } = shake(
      hex(`
        00 00 00 03                            # client flags: fixed newstyle, no zeroes
        "IHAVEOPT" 00 00 00 07 00 00 00 10     # GO, 16 bytes
        00 00 00 04 "disk"                     # name
        00 03 00 01 00 02 00 03                # wanted: name, description, block size
        25 60 95 13                            # the first bytes of a request`),
    )
    expect(replies).toBe(
      toHex(
        hex(`
          00 03 e8 89 04 55 65 a9 00 00 00 07 00 00 00 03 00 00 00 0c      # reply to GO: INFO, 12 bytes
          00 00  00 00 00 01 00 00 02 00  09 6d                            # export: size, flags
          00 03 e8 89 04 55 65 a9 00 00 00 07 00 00 00 03 00 00 00 06
          00 01 "disk"                                                     # name
          00 03 e8 89 04 55 65 a9 00 00 00 07 00 00 00 03 00 00 00 08
          00 02 "a disk"                                                   # description
          00 03 e8 89 04 55 65 a9 00 00 00 07 00 00 00 03 00 00 00 0e
          00 03  00 00 00 01  00 00 10 00  02 00 00 00                     # block sizes: 1, 4 KiB, 32 MiB
          00 03 e8 89 04 55 65 a9 00 00 00 07 00 00 00 01 00 00 00 00      # acknowledged`),
      ),
    )
    expect(outcome).toEqual({ kind: 'chosen', export: disk, structured: false, allocation: false })
    expect(toHex(rest)).toBe('25609513')
  })

  it('offers what a read-only export can do, and DF only with structured replies', () => {
    const go = option(7, hex('00 00 00 06 "locked" 00 00'))
    const info = (structuredToo: string) =>
      toHex(
        hex(
          `00 03 e8 89 04 55 65 a9 00 00 00 07 00 00 00 03 00 00 00 0c 00 00 00 00 00 00 00 00 10 00 ${structuredToo}`,
        ),
      )
    expect(shake(join([flags, go])).replies).toBe(`${info('01 0f')}${accepted(7)}`)
    expect(shake(join([flags, structured, go])).replies).toBe(`${accepted(8)}${info('01 8f')}${accepted(7)}`)
  })

  it('goes into transmission with EXPORT_NAME, with and without the zeroes', () => {
    const choose = option(1, hex('"disk"'))
    const answer = toHex(hex('00 00 00 01 00 00 02 00  09 6d'))
    expect(shake(join([flags, choose])).replies).toBe(answer)
    expect(shake(join([hex('00 00 00 01'), choose])).replies).toBe(answer + '00'.repeat(124))
    expect(shake(join([hex('00 00 00 00'), choose])).outcome?.kind).toBe('chosen')
  })

  it('hangs up on EXPORT_NAME of what is not there, since this option knows no refusal', () => {
    const { replies, outcome } = shake(join([flags, option(1, hex('"none"'))]))
    expect(replies).toBe('')
    expect(outcome).toMatchObject({ kind: 'refused', error: { code: 'NOT_FOUND' } })
  })

  it('answers INFO and stays', () => {
    const { replies, outcome } = shake(join([flags, option(6, hex('00 00 00 04 "disk" 00 00'))]))
    expect(replies).toContain(toHex(hex('00 00 00 00 00 01 00 00 02 00 09 6d')))
    expect(replies.endsWith(accepted(6))).toBe(true)
    expect(outcome).toBeUndefined()
  })

  it.each([6, 7])('says that there is no such export (option %i) and goes on', (number) => {
    const unknown = option(number, hex('00 00 00 04 "none" 00 00'))
    const { replies, outcome } = shake(join([flags, unknown, option(2)]))
    expect(replies).toContain(toHex(hex(`00 00 00 0${number} 80 00 00 06`)))
    expect(outcome).toEqual({ kind: 'aborted' })
  })

  it('lists the exports', () => {
    expect(shake(join([flags, option(3)])).replies).toBe(
      toHex(
        hex(`
          00 03 e8 89 04 55 65 a9 00 00 00 03 00 00 00 02 00 00 00 0e   # SERVER, 14 bytes
          00 00 00 04 "disk" "a disk"
          00 03 e8 89 04 55 65 a9 00 00 00 03 00 00 00 02 00 00 00 0a
          00 00 00 06 "locked"`),
      ) + accepted(3),
    )
  })

  it('acknowledges ABORT, whatever comes with it', () => {
    expect(shake(join([flags, option(2, hex('"bye"'))]))).toMatchObject({
      replies: accepted(2),
      outcome: { kind: 'aborted' },
    })
  })

  it.each([
    ['LIST', 3],
    ['STRUCTURED_REPLY', 8],
  ])('refuses data with %s, which has none', (_, number) => {
    expect(shake(join([flags, option(number, hex('00'))])).replies).toContain(
      toHex(hex(`00 00 00 0${number} 80 00 00 03`)),
    )
  })

  it.each([5, 4, 11, 0xffffffff])('says that option %i is not known and reads the next one', (number) => {
    const { replies } = shake(join([flags, option(number, new Uint8Array(100)), structured]))
    expect(replies).toMatch(/^0003e889045565a9.{8}80000001/)
    expect(replies.endsWith(accepted(8))).toBe(true)
  })

  it('selects the allocation context', () => {
    const go = option(7, hex('00 00 00 04 "disk" 00 00'))
    const select = option(10, hex('00 00 00 04 "disk" 00 00 00 02 00 00 00 06 "other:" 00 00 00 0f "base:allocation"'))
    const { replies, outcome } = shake(join([flags, structured, select, go]))
    expect(replies).toContain(
      toHex(
        hex(`
          00 03 e8 89 04 55 65 a9 00 00 00 0a 00 00 00 04 00 00 00 13
          00 00 00 01 "base:allocation"
          00 03 e8 89 04 55 65 a9 00 00 00 0a 00 00 00 01 00 00 00 00`),
      ),
    )
    expect(outcome).toMatchObject({ kind: 'chosen', structured: true, allocation: true })
  })

  it.each([
    ['for another export', 'a', '00 00 00 06 "locked" 00 00 00 01 00 00 00 0f "base:allocation"'],
    ['with no query', 'a', '00 00 00 04 "disk" 00 00 00 00'],
    ['with the wildcard, which selects nothing', 'a', '00 00 00 04 "disk" 00 00 00 01 00 00 00 05 "base:"'],
    ['only in a list', '9', '00 00 00 04 "disk" 00 00 00 01 00 00 00 0f "base:allocation"'],
  ])('selects no context when it is asked for %s', (_, number, data) => {
    const ask = option(Number.parseInt(number, 16), hex(data))
    const go = option(7, hex('00 00 00 04 "disk" 00 00'))
    expect(shake(join([flags, structured, ask, go])).outcome).toMatchObject({ kind: 'chosen', allocation: false })
  })

  it('forgets the selection when a later one fails', () => {
    const select = option(10, hex('00 00 00 04 "disk" 00 00 00 01 00 00 00 0f "base:allocation"'))
    const broken = option(10, hex('00 00 00 04 "disk" 00 00 00 01 00 00 00 ff "base:"'))
    const go = option(7, hex('00 00 00 04 "disk" 00 00'))
    const { replies, outcome } = shake(join([flags, structured, select, broken, go]))
    expect(replies).toContain(toHex(hex('00 00 00 0a 80 00 00 03')))
    expect(outcome).toMatchObject({ allocation: false })
  })

  it.each([
    ['all contexts for no query', '00 00 00 00', true],
    ['all of the namespace for its wildcard', '00 00 00 01 00 00 00 05 "base:"', true],
    ['none of an unknown namespace', '00 00 00 01 00 00 00 04 "foo:"', false],
  ])('lists %s', (_, queries, found) => {
    const { replies } = shake(join([flags, structured, option(9, hex(`00 00 00 04 "disk" ${queries}`))]))
    const context = toHex(hex('00 00 00 09 00 00 00 04 00 00 00 13 00 00 00 00 "base:allocation"'))
    expect(replies.includes(context)).toBe(found)
    expect(replies.endsWith(accepted(9))).toBe(true)
  })

  it('wants structured replies before contexts', () => {
    const select = option(10, hex('00 00 00 04 "disk" 00 00 00 01 00 00 00 0f "base:allocation"'))
    expect(shake(join([flags, select])).replies).toContain(toHex(hex('00 00 00 0a 80 00 00 03')))
  })

  it('turns everybody away while the server closes', () => {
    const closing = { ...directory(disk), closing: true }
    const go = option(7, hex('00 00 00 04 "disk" 00 00'))
    expect(shake(join([flags, go]), closing).replies).toContain(toHex(hex('00 00 00 07 80 00 00 07')))
    expect(shake(join([flags, option(2)]), closing).outcome).toEqual({ kind: 'aborted' })
    expect(shake(join([flags, option(1, hex('"disk"'))]), closing).outcome?.kind).toBe('refused')
  })
})

describe('the NBD handshake refuses', () => {
  it.each([
    ['unknown client flags', '00 00 00 07', 'INCOMPATIBLE'],
    ['an option without its magic', '00 00 00 03 "IHAVEOPS" 00 00 00 03 00 00 00 00', 'MALFORMED'],
    ['a web browser', '"GET / HTTP/1.1\r"', 'INCOMPATIBLE'],
    ['an option longer than any', '00 00 00 03 "IHAVEOPT" 00 00 00 07 00 01 00 01', 'LIMIT_EXCEEDED'],
    ['a name with a NUL', '00 00 00 03 "IHAVEOPT" 00 00 00 01 00 00 00 02 41 00', 'MALFORMED'],
  ])('%s', (_, bytes, code) => {
    expect(shake(hex(bytes)).outcome).toMatchObject({ kind: 'refused', error: { code } })
  })

  it('a client that never chooses', () => {
    const asking = Array.from({ length: OPTIONS + 1 }, () => option(3))
    expect(shake(join([flags, ...asking])).outcome).toMatchObject({ error: { code: 'LIMIT_EXCEEDED' } })
    expect(shake(join([flags, ...asking.slice(1)])).outcome).toBeUndefined()
  })

  it.each([
    ['a name longer than the data', '00 00 00 05 "disk" 00'],
    ['a count longer than the data', '00 00 00 04 "disk" 00 02 00 00'],
    ['data behind the last field', '00 00 00 04 "disk" 00 00 00'],
    ['no data', ''],
    ['a name that is not UTF-8', '00 00 00 01 ff 00 00'],
    ['a name with a NUL', '00 00 00 01 00 00 00'],
  ])('GO with %s, and goes on', (_, data) => {
    const { replies } = shake(join([flags, option(7, hex(data)), structured]))
    expect(replies).toContain(toHex(hex('00 00 00 07 80 00 00 03')))
    expect(replies.endsWith(accepted(8))).toBe(true)
  })

  it('a name longer than names may be', () => {
    const name = Buffer.alloc(4097, 'a')
    const length = hex('00 00 10 01')
    expect(shake(join([flags, option(7, join([length, name, hex('00 00')]))])).replies).toContain(
      toHex(hex('00 00 00 07 80 00 00 03')),
    )
  })

  it('nothing of the largest option there may be', () => {
    const { replies } = shake(join([flags, option(99, new Uint8Array(OPTION_BYTES)), structured]))
    expect(replies.endsWith(accepted(8))).toBe(true)
  })
})
