import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { errorCode } from '../../src/errors/storage-error.ts'
import { PageMap } from '../../src/migration/journal/page-map.ts'
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts'
import {
  ACK_RANGES,
  ALTERNATE_SOURCES,
  DECODED_BYTES,
  FIRST_PAYLOAD_BYTES,
  LARGEST_PAYLOAD_BYTES,
  LISTED_BLOCKS,
  MAPPED_BLOCKS,
} from '../../src/protocol/limits.ts'
import { decodeGzip } from '../../src/protocol/packets/gzip.ts'
import { decodePacket, type Packet } from '../../src/protocol/packets/packet.ts'
import { decodeRle } from '../../src/protocol/packets/rle-decoder.ts'
import { encodeRle } from '../../src/protocol/packets/rle-encoder.ts'
import { decodeZeroes } from '../../src/protocol/packets/zeroes-decoder.ts'
import { encodeZeroes } from '../../src/protocol/packets/zeroes-encoder.ts'
import { fromBase64Url, toBase64Url } from '../../src/transports/pairing/base64url.ts'
import { withoutCandidates } from '../../src/transports/pairing/session-description.ts'
import { hex } from '../protocol/packets/hex.ts'
import { settle } from '../protocol/packets/outcome.ts'
import { allocatedBy } from './allocation.ts'
import { flat } from './targets/packets.ts'

const MiB = 2 ** 20

describe('a bomb', () => {
  it.each([
    ['a run of 2^52 bytes', hex('ff ff ff ff ff ff ff 0f', '00'), decodeRle],
    ['two runs that become one byte too many', hex('81 80 80 10', '00', '03 00'), decodeRle],
    ['2^53 - 1 zeroes', hex(''), (segments: Uint8Array) => decodeZeroes(segments, Number.MAX_SAFE_INTEGER)],
    ['a list of 2^32 - 1 blocks', hex('05', '00 10 00 00', 'ff ff ff ff'), decodePacket],
    ['as many identifiers', hex('0b', 'ff ff ff ff'), decodePacket],
    ['as many places', hex('0c', 'ff ff ff ff'), decodePacket],
  ])('of %s is refused before anything is allocated', (_, bytes, read: (bytes: Uint8Array) => unknown) => {
    let outcome: string | undefined
    const held = allocatedBy(() => {
      outcome = settle(() => read(bytes))
    })
    expect(outcome).not.toBe('value')
    expect(held).toBe(0)
  })

  it('of frames allocates what has come and one first payload, whatever is promised', () => {
    const header = new Uint8Array(Uint32Array.of(1, 2, LARGEST_PAYLOAD_BYTES).buffer)
    const slice = new Uint8Array(4096)
    const held = allocatedBy(() => {
      const decoder = new FrameDecoder()
      decoder.push(header, () => {})
      for (let at = 0; at < FIRST_PAYLOAD_BYTES + slice.length; at += slice.length) decoder.push(slice, () => {})
    })
    expect(held).toBeLessThan(6 * FIRST_PAYLOAD_BYTES)
  })

  it('of gzip that lies about its length is given up soon after it', async () => {
    const bomb = new Uint8Array(gzipSync(Buffer.alloc(128 * MiB)))
    new DataView(bomb.buffer).setUint32(bomb.length - 4, 1000, true)
    const before = process.memoryUsage().rss
    await expect(decodeGzip(bomb)).rejects.toMatchObject({ code: 'MALFORMED' })
    expect(process.memoryUsage().rss - before).toBeLessThan(48 * MiB)
    const honest = new Uint8Array(gzipSync(Buffer.alloc(DECODED_BYTES + 1)))
    expect(errorCode(await decodeGzip(honest).catch((error: unknown) => error))).toBe('LIMIT_EXCEEDED')
  })
})

describe('the longest list of', () => {
  const hash = new Uint8Array(32)
  const longest: readonly [string, Packet, number][] = [
    ['acks', { kind: 'acks', ranges: Array.from({ length: ACK_RANGES }, () => ({ firstId: 1, count: 1 })) }, 1],
    ['blocks', { kind: 'dirty-list', blockSize: 512, blocks: new Uint32Array(LISTED_BLOCKS) }, 17],
    [
      'a map',
      {
        kind: 'write-at-with-map',
        offset: 0,
        map: Array.from({ length: MAPPED_BLOCKS }, (_, index) => ({ id: BigInt(index), block: index })),
        data: new Uint8Array(),
      },
      16,
    ],
    [
      'places',
      {
        kind: 'alternate-sources',
        sources: Array.from({ length: ALTERNATE_SOURCES }, () => ({ offset: 2 ** 40, length: 1, hash, location: 'x' })),
      },
      48,
    ],
  ]

  it.each(longest)('%s costs what its limit says', (_, packet, megabytes) => {
    const payload = flat(packet)
    const used = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
    const before = used()
    const decoded = decodePacket(payload)
    expect(used() - before).toBeLessThan(megabytes * MiB)
    expect(decoded.kind).toBe(packet.kind)
  })
})

describe('reading takes time in proportion to the bytes:', () => {
  const map = (runs: number) => Uint8Array.from({ length: runs }, (_, index) => 1 + (index % 2))
  const sources = (count: number) => {
    const hash = new Uint8Array(32)
    return flat({
      kind: 'alternate-sources',
      sources: Array(count).fill({ offset: 1, length: 1, hash, location: 'xy' }),
    })
  }
  /** What is read, how much is little of it, and how it is made and read. */
  const readings: readonly [string, number, (size: number) => () => unknown][] = [
    ['run lengths', 40_000, (size) => of(new Uint8Array(size).fill(2), (bytes) => decodeRle(bytes))],
    ['data to run lengths', 100_000, (size) => of(stripes(size), encodeRle)],
    ['data to zeroes', 100_000, (size) => of(stripes(size), encodeZeroes)],
    [
      'a list of blocks',
      100_000,
      (size) => of(flat({ kind: 'dirty-list', blockSize: 1, blocks: new Uint32Array(size) }), decodePacket),
    ],
    ['places', 4000, (size) => of(sources(size), decodePacket)],
    ['frames of one byte', 4000, (size) => of(hex('01000000 02000000 01000000 85'.repeat(size)), readFrames)],
    [
      'a frame in single bytes',
      40_000,
      (size) => of(new Uint8Array(Uint32Array.of(1, 2, size).buffer), (head) => readSlowly(head, size)),
    ],
    ['a map of pages', 40_000, (size) => of(map(size), (bytes) => PageMap.decode(bytes, size))],
    ['text for links', 40_000, (size) => of(toBase64Url(new Uint8Array(size)), fromBase64Url)],
    [
      'candidates',
      500,
      (size) => of('a=candidate:x\r\n'.repeat(size), (sdp) => withoutCandidates({ type: 'offer', sdp })),
    ],
    [
      'half candidates',
      500,
      (size) => of('a=candidate'.repeat(size), (sdp) => withoutCandidates({ type: 'offer', sdp })),
    ],
  ]

  it.each(readings)('%s', (_, little, prepare) => {
    const [few, many] = [prepare(little), prepare(8 * little)]
    let [quickFew, quickMany] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    // Others use the machine too: what was quick once shows what it costs.
    for (let turn = 0; turn < 100 && !(turn >= 5 && quickMany < 20 * quickFew); turn++) {
      quickFew = Math.min(quickFew, timeOf(few))
      quickMany = Math.min(quickMany, timeOf(many))
    }
    // Eight times the bytes; time in their square would be 64 times as long.
    expect(quickMany / quickFew).toBeLessThan(32)
  })
})

function of<Input>(input: Input, read: (input: Input) => unknown): () => unknown {
  return () => read(input)
}

/** Milliseconds, no less than a clock can tell. */
function timeOf(read: () => unknown): number {
  const start = performance.now()
  read()
  return Math.max(performance.now() - start, 0.02)
}

/** The worst for those who look for runs: each ends one byte before it would count. */
function stripes(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (index % 12 === 11 ? 1 : 0))
}

function readFrames(bytes: Uint8Array): void {
  new FrameDecoder().push(bytes, () => {})
}

function readSlowly(header: Uint8Array, size: number): void {
  const decoder = new FrameDecoder()
  decoder.push(header, () => {})
  const one = new Uint8Array(1)
  for (let at = 0; at < size; at++) decoder.push(one, () => {})
}
