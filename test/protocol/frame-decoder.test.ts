import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFrame, type Frame } from '../../src/protocol/frame.ts'
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts'
import {
  ALIGNMENT_BYTES,
  FIRST_PAYLOAD_BYTES,
  LARGEST_PAYLOAD_BYTES,
  READ_BEHIND_BYTES,
} from '../../src/protocol/limits.ts'
import { expandWrite } from '../../src/protocol/packets/expand-write.ts'
import { decodePacket, encodePacket } from '../../src/protocol/packets/packet.ts'
import { PayloadPool } from '../../src/protocol/payload-pool.ts'
import { expectCode } from '../conformance/case.ts'
import { propertyOptions } from '../support/seed.ts'
import { conversation } from './packets/golden-vectors.ts'
import { hex, hexOf } from './packets/hex.ts'

/** A header that says `length` bytes follow. */
function header(length: number, { dev = 1, id = 7 } = {}): Uint8Array {
  const bytes = new Uint8Array(12)
  const view = new DataView(bytes.buffer)
  for (const [index, value] of [dev, id, length].entries()) view.setUint32(index * 4, value, true)
  return bytes
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** All frames that come out of the slices. */
function decodeAll(slices: Iterable<Uint8Array>, decoder = new FrameDecoder()): Frame[] {
  const frames: Frame[] = []
  for (const slice of slices) decoder.push(slice, (frame) => frames.push(frame))
  return frames
}

/** The bytes in slices of the given lengths, over and over. */
function* sliced(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = Math.min(bytes.length, at + lengths[turn % lengths.length]!)
    yield bytes.slice(at, end)
    at = end
  }
}

const show = ({ dev, id, payload }: Frame) => ({ dev, id, payload: hexOf(payload) })

describe('a decoder of frames', () => {
  it('finds a frame wherever it is cut', () => {
    const frame = hex('01 00 00 00', '07 00 00 00', '05 00 00 00', '83 04 00 00 00')
    for (let cut = 0; cut <= frame.length; cut++) {
      const frames = decodeAll([frame.subarray(0, cut), frame.subarray(cut)])
      expect(frames.map(show), `cut at ${cut}`).toEqual([{ dev: 1, id: 7, payload: '8304000000' }])
    }
  })

  it('finds the same frames in any slices', () => {
    const frames = fc.array(
      fc.record({
        dev: fc.nat(0xffffffff),
        id: fc.nat(0xffffffff),
        payload: fc.uint8Array({ minLength: 1, maxLength: 50 }),
      }),
      { maxLength: 10 },
    )
    const lengths = fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 10 })
    const property = fc.property(frames, lengths, (sent, cuts) => {
      const bytes = join(...sent.flatMap((frame) => [header(frame.payload.length, frame), frame.payload]))
      const decoder = new FrameDecoder()
      expect(decodeAll(sliced(bytes, cuts), decoder).map(show)).toEqual(sent.map(show))
      decoder.end()
      expect(decoder.state).toBe('header')
    })
    fc.assert(property, propertyOptions(2000))
  })

  it('finds the same frames wherever it wants the bytes, and leaves payloads alone', () => {
    const payload = fc
      .tuple(fc.constantFrom(1, 5, 4096, 16_383, 16_384, 16_385, 70_000, 300_000, FIRST_PAYLOAD_BYTES + 5), fc.nat(255))
      .map(([length, byte]) => new Uint8Array(length).fill(byte))
    const frames = fc.array(fc.record({ dev: fc.nat(9), id: fc.nat(9), payload }), { maxLength: 8 })
    const lengths = fc.array(fc.constantFrom(1, 11, 12, 13, 4096, 65_536, 2 ** 22), { minLength: 1, maxLength: 6 })
    const property = fc.property(frames, lengths, fc.boolean(), (sent, cuts, pooled) => {
      const bytes = join(...sent.flatMap((frame) => [header(frame.payload.length, frame), frame.payload]))
      const decoder = new FrameDecoder(LARGEST_PAYLOAD_BYTES, pooled ? new PayloadPool() : undefined)
      const came: Frame[] = []
      const large = cuts.some((cut) => cut > 4096) ? cuts : [...cuts, 65_536]
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const room = decoder.room()
        const length = Math.min(room.length, bytes.length - at, large[turn % large.length]!)
        room.set(bytes.subarray(at, at + length))
        decoder.filled(length, (frame) => came.push(frame))
        at += length
      }
      expect(came.map(({ dev, id, payload }) => [dev, id, payload.length])).toEqual(
        sent.map(({ dev, id, payload }) => [dev, id, payload.length]),
      )
      for (const [index, frame] of came.entries()) {
        expect(Buffer.compare(frame.payload, sent[index]!.payload), `payload ${index}`).toBe(0)
      }
      decoder.end()
    })
    fc.assert(property, propertyOptions(200))
  })

  it('reads a long payload to where it stays, with the header behind it', () => {
    const decoder = new FrameDecoder()
    decoder.room().set(header(100_000))
    decoder.filled(12, () => {})
    const room = decoder.room()
    expect(room).toHaveLength(100_000 + READ_BEHIND_BYTES)
    room.set(header(200_000, { id: 8 }), 100_000)
    const frames: Frame[] = []
    decoder.filled(100_012, (frame) => frames.push(frame))
    expect(frames[0]!.payload.buffer).toBe(room.buffer)
    expect(decoder.room()).toHaveLength(200_000 + READ_BEHIND_BYTES)
    expect(decoder.room().buffer).not.toBe(room.buffer)
  })

  it('reads the end of a long payload, where data ends, to an aligned place', () => {
    for (const length of [100_000, 2 ** 18 + 10, 2 ** 18 + 15]) {
      const decoder = new FrameDecoder(LARGEST_PAYLOAD_BYTES, new PayloadPool())
      decoder.room().set(header(length))
      decoder.filled(12, () => {})
      expect((decoder.room().byteOffset + length) % ALIGNMENT_BYTES).toBe(0)
    }
  })

  it('keeps what is read behind a long payload, also when its buffer is used again', () => {
    const pool = new PayloadPool()
    const decoder = new FrameDecoder(LARGEST_PAYLOAD_BYTES, pool)
    decoder.room().set(header(100_000))
    decoder.filled(12, () => {})
    const small = join(header(3, { id: 8 }), hex('0a 01 02'), header(2, { id: 9 }), hex('0b 03'))
    decoder.room().set(small, 100_000)
    const frames: Frame[] = []
    decoder.filled(100_000 + small.length, (frame) => {
      if (frame.id === 7) {
        frame.payload.fill(0xff)
        new Uint8Array(frame.payload.buffer).fill(0xff)
      } else frames.push(frame)
    })
    expect(frames.map(show)).toEqual([
      { dev: 1, id: 8, payload: '0a0102' },
      { dev: 1, id: 9, payload: '0b03' },
    ])
  })

  it('has room for no more than has come, fourfold, whatever a header promises', () => {
    const decoder = new FrameDecoder()
    decoder.room().set(header(LARGEST_PAYLOAD_BYTES))
    decoder.filled(12, () => {})
    const first = FIRST_PAYLOAD_BYTES + READ_BEHIND_BYTES
    expect(decoder.room().buffer.byteLength).toBeLessThan(first + ALIGNMENT_BYTES)
    decoder.filled(first, () => {})
    expect(decoder.room().buffer.byteLength).toBeLessThanOrEqual(4 * first)
  })

  it('fails in its own room as in a slice, and reads no more', async () => {
    const decoder = new FrameDecoder()
    decoder.room().set(header(0))
    await expectCode(() => decoder.filled(12, () => {}), 'MALFORMED', 'a header')
    expect(decoder.room().length).toBeGreaterThan(0)
    await expectCode(() => decoder.filled(1, () => {}), 'MALFORMED', 'what comes behind it')
  })

  it('replays a recorded conversation, and every packet of it is written again byte for byte', () => {
    for (const direction of ['source->destination', 'destination->source'] as const) {
      const recorded = conversation.frames.filter(({ dir }) => dir === direction)
      const stream = hex(...recorded.map(({ frame }) => frame))
      for (const lengths of [[stream.length], [1], [7, 1000, 13], [4096]]) {
        const frames = decodeAll(sliced(stream, lengths))
        expect(frames.map(({ dev, id }) => [dev, id])).toEqual(recorded.map(({ dev, id }) => [dev, id]))
        const again = frames.flatMap((frame) => encodeFrame(frame, encodePacket(decodePacket(frame.payload))))
        expect(hexOf(join(...again))).toBe(hexOf(stream))
      }
    }
    expect(conversation.frames).toHaveLength(29)
  })

  it('brings the disk that the recorded conversation ends with', async () => {
    const disk = new Uint8Array(conversation.size)
    const stream = hex(...conversation.frames.filter(({ dir }) => dir.startsWith('source')).map(({ frame }) => frame))
    for (const { payload } of decodeAll([stream])) {
      const packet = decodePacket(payload)
      if (packet.kind !== 'write-at' || packet.form === 'hash' || packet.form === 'you-already-have') continue
      disk.set(await expandWrite(packet), packet.offset)
    }
    expect(createHash('sha256').update(disk).digest('hex')).toBe(conversation.sha256)
  })

  it('hands out a payload that is not cut as a view, and one that is in a buffer of its own', () => {
    const bytes = join(header(4), hex('0a 01 02 03'), header(3), hex('0b 01'))
    const [first, second] = decodeAll([bytes, hex('02')])
    expect(first!.payload.buffer).toBe(bytes.buffer)
    expect(first!.payload.byteOffset).toBe(12)
    expect(second!.payload.buffer).not.toBe(bytes.buffer)
    expect(hexOf(second!.payload)).toBe('0b0102')
  })

  it('never writes to a payload again', () => {
    const slices = [header(3), hex('0a 01'), hex('02'), header(3), hex('0b 03'), hex('04')]
    expect(decodeAll(slices).map(({ payload }) => hexOf(payload))).toEqual(['0a0102', '0b0304'])
  })

  it('takes empty slices', () => {
    expect(decodeAll([hex(''), header(1), hex(''), hex('0a'), hex('')])).toHaveLength(1)
  })

  it('puts the largest payload together', () => {
    const payload = new Uint8Array(LARGEST_PAYLOAD_BYTES)
    for (let at = 0; at < payload.length; at++) payload[at] = at ^ (at >> 8)
    const [frame] = decodeAll(sliced(join(header(payload.length), payload), [65536, 1000]))
    expect(Buffer.compare(frame!.payload, payload)).toBe(0)
  })

  it('allocates for what has come, not for what was promised', () => {
    const decoders = Array.from({ length: 64 }, () => new FrameDecoder())
    const before = process.memoryUsage().arrayBuffers
    for (const decoder of decoders) decodeAll([header(LARGEST_PAYLOAD_BYTES), new Uint8Array(1)], decoder)
    const grown = process.memoryUsage().arrayBuffers - before
    expect(grown).toBeLessThanOrEqual(64 * (FIRST_PAYLOAD_BYTES + 4096))
    expect(decoders.every(({ state }) => state === 'payload')).toBe(true)
  })

  it.each([
    ['an empty payload', header(0), 'MALFORMED'],
    ['a payload over the limit', header(1001), 'LIMIT_EXCEEDED'],
    ['a payload of 4 GiB', header(2 ** 32 - 1), 'LIMIT_EXCEEDED'],
  ])('refuses %s, and everything after it', async (_, bytes, code) => {
    for (const slices of [[bytes], sliced(bytes, [5])]) {
      const decoder = new FrameDecoder(1000)
      const first = await expectCode(() => decodeAll(slices, decoder), code, 'decoding')
      expect(decoder.state).toBe('failed')
      const again = await expectCode(() => decodeAll([join(header(1), hex('0a'))], decoder), code, 'decoding again')
      expect(again).toBe(first)
      await expectCode(() => decoder.end(), code, 'the end')
    }
    expect(decodeAll([header(1000), new Uint8Array(1000)], new FrameDecoder(1000))).toHaveLength(1)
  })

  it('hands out the frames before a bad one', async () => {
    const decoder = new FrameDecoder()
    const frames: Frame[] = []
    const slice = join(header(1), hex('0a'), header(0))
    await expectCode(() => decoder.push(slice, (frame) => frames.push(frame)), 'MALFORMED', 'decoding')
    expect(frames).toHaveLength(1)
  })

  it('ends with the error of who handles a frame', () => {
    const decoder = new FrameDecoder()
    const failure = new Error('no')
    const slice = join(header(1), hex('0a'), header(1), hex('0a'))
    const push = () => {
      decoder.push(slice, () => {
        throw failure
      })
    }
    expect(push).toThrow(failure)
    expect(push).toThrow(failure)
    expect(decoder.state).toBe('failed')
  })

  it('refuses to be fed by who handles a frame', () => {
    const decoder = new FrameDecoder()
    const slice = join(header(1), hex('0a'))
    expect(() => decoder.push(slice, () => decoder.push(slice, () => {}))).toThrow(/invariant/)
  })

  it.each([
    ['a header', header(5).subarray(0, 11), 'header'],
    ['a payload', join(header(5), hex('0a 01')), 'payload'],
    ['a header without payload', header(5), 'payload'],
  ])('says so when the stream ends within %s', async (_, slice, state) => {
    const decoder = new FrameDecoder()
    decodeAll([slice], decoder)
    expect(decoder.state).toBe(state)
    await expectCode(() => decoder.end(), 'PEER_LOST', 'the end')
  })
})
