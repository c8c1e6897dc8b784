import { ALLOCATION_CONTEXT, HANDSHAKE_FLAG, OPTION, OPTION_MAGIC } from '../../../src/adapters/nbd/codes.ts'
import { Handshake, type HandshakeOutcome } from '../../../src/adapters/nbd/handshake.ts'
import { OPTION_BYTES } from '../../../src/adapters/nbd/limits.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { allocatedBy } from '../allocation.ts'
import { readCuts, withCuts } from '../cuts.ts'
import { type FuzzTarget, join, must, mustEqual } from '../target.ts'

const exports = ['', 'disk'].map((name) => ({ name, description: 'a disk', size: 2 ** 30, readOnly: name === '' }))
const directory = {
  list: () => exports,
  find: (name: string) => exports.find((one) => one.name === name),
  closing: false,
}

type Outcome = HandshakeOutcome<(typeof exports)[number]>

/** Bytes sent for each byte of the client, at most: an option of 16 bytes is answered with two exports and their end. */
const AMPLIFICATION = 32

/** The server's half of an NBD handshake: the same whole and in slices. */
export const nbdHandshake: FuzzTarget = {
  name: 'nbd-handshake',
  seeds: [
    withCuts(
      [5],
      join([flags(3), option(OPTION.LIST), option(OPTION.GO, join([text('disk'), u16(2), u16(1), u16(3)]))]),
    ),
    withCuts([3, 40], join([flags(1), option(OPTION.EXPORT_NAME, Buffer.from('disk'))])),
    withCuts(
      [],
      join([
        flags(3),
        option(OPTION.STRUCTURED_REPLY),
        contexts(OPTION.SET_META_CONTEXT),
        option(OPTION.GO, join([text(''), u16(0)])),
      ]),
    ),
    withCuts(
      [1],
      join([flags(3), option(OPTION.STRUCTURED_REPLY), contexts(OPTION.LIST_META_CONTEXT), option(OPTION.ABORT)]),
    ),
    withCuts([16], join([flags(0), option(99), option(OPTION.INFO, join([text('nowhere'), u16(0)]))])),
  ],
  words: [
    magic(),
    text('disk'),
    text('base:'),
    text(ALLOCATION_CONTEXT),
    u32(OPTION_BYTES),
    u32(OPTION_BYTES + 1),
    option(8),
  ],
  run(bytes) {
    const { stream, slices } = readCuts(bytes)
    const expected = converse([stream])
    let cut: ReturnType<typeof converse> | undefined
    const held = allocatedBy(() => {
      cut = converse(slices)
    })
    const most = OPTION_BYTES + 1024 + AMPLIFICATION * stream.length
    must(held <= most, `${stream.length} bytes of options do not allocate ${held}`)
    mustEqual(cut!.replies, expected.replies, 'replies')
    must(cut!.end === expected.end, `ends with ${expected.end}, not ${cut!.end}`)
    must(cut!.consumed === expected.consumed, 'as many bytes are taken')
  },
}

function converse(slices: readonly Uint8Array[]): { replies: Uint8Array; end: string; consumed: number } {
  const handshake = new Handshake(directory)
  const replies: Uint8Array[] = []
  let consumed = 0
  for (const slice of slices) {
    for (let at = 0; at < slice.length; ) {
      const progress = handshake.receive(slice.subarray(at))
      replies.push(...progress.replies)
      at += progress.consumed
      consumed += progress.consumed
      if (progress.outcome) return { replies: join(replies), end: described(progress.outcome), consumed }
      must(progress.consumed > 0, 'bytes are taken')
    }
  }
  return { replies: join(replies), end: 'goes on', consumed }
}

function described(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'aborted':
      return 'aborted'
    case 'refused':
      must(errorCode(outcome.error) !== undefined, 'a refusal has a code')
      return `refused ${outcome.error.code}`
    case 'chosen':
      return `${outcome.export.name} structured ${outcome.structured} allocation ${outcome.allocation}`
  }
}

function flags(value: number): Uint8Array {
  must(value <= (HANDSHAKE_FLAG.FIXED_NEWSTYLE | HANDSHAKE_FLAG.NO_ZEROES), 'known flags')
  return u32(value)
}

function magic(): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, OPTION_MAGIC)
  return bytes
}

function option(code: number, data: Uint8Array = new Uint8Array()): Uint8Array {
  return join([magic(), u32(code), u32(data.length), data])
}

function contexts(code: number): Uint8Array {
  return option(code, join([text('disk'), u32(2), text('base:'), text(ALLOCATION_CONTEXT)]))
}

function text(value: string): Uint8Array {
  return join([u32(Buffer.byteLength(value)), Buffer.from(value)])
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value)
}
