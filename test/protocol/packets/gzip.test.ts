import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { INFLATE_BYTES } from '../../../src/protocol/limits.ts'
import { decodeGzip, encodeGzip } from '../../../src/protocol/packets/gzip.ts'
import { expectCode } from '../../conformance/case.ts'
import { hex, hexOf } from './hex.ts'

const megabyte = 2 ** 20
const pattern = (length: number) => Uint8Array.from({ length }, (_, index) => (index * index) >> 3)
const zipped = (data: Uint8Array) => new Uint8Array(gzipSync(data))

/** Counts the compressed bytes that the platform was given. */
function countInflated(): () => number {
  let bytes = 0
  const Native = DecompressionStream
  vi.stubGlobal(
    'DecompressionStream',
    class {
      readonly readable: ReadableStream
      readonly writable: WritableStream
      constructor(format: CompressionFormat) {
        const { readable, writable } = new Native(format)
        const writer = writable.getWriter()
        this.readable = readable
        this.writable = new WritableStream({
          write: (chunk: Uint8Array<ArrayBuffer>) => {
            bytes += chunk.length
            return writer.write(chunk)
          },
          close: () => writer.close(),
          abort: (reason) => writer.abort(reason),
        })
      }
    },
  )
  return () => bytes
}

describe('gzip', () => {
  afterEach(() => void vi.unstubAllGlobals())

  it.each([0, 1, 4095, 4096, 4097, 65536, megabyte])('%i bytes come back, and others can read them', async (length) => {
    const data = pattern(length)
    const member = await encodeGzip(data)
    expect(hexOf(await decodeGzip(member))).toBe(hexOf(data))
    expect(gunzipSync(member).equals(data)).toBe(true)
  })

  it('lets the caller go on with its buffer at once', async () => {
    const data = pattern(100_000)
    const member = encodeGzip(data)
    data.fill(0)
    expect(hexOf(await decodeGzip(await member))).toBe(hexOf(pattern(100_000)))
  })

  it('takes a member in a stored block, with a name, from anyone', async () => {
    const stored = hex('1f8b08 00 00000000 00 ff', '01 0200fdff 6869', 'ac2a93d8', '02000000')
    const named = hex('1f8b08 08 00000000 00 ff', '6100', '01 0200fdff 6869', 'ac2a93d8', '02000000')
    expect(hexOf(await decodeGzip(stored))).toBe('6869')
    expect(hexOf(await decodeGzip(named))).toBe('6869')
  })

  it('keeps to the limit to the byte', async () => {
    expect(await decodeGzip(zipped(pattern(1000)), 1000)).toHaveLength(1000)
    await expectCode(() => decodeGzip(zipped(pattern(1001)), 1000), 'LIMIT_EXCEEDED', 'one more')
  })

  it('refuses a bomb that says so without inflating it', async () => {
    const inflated = countInflated()
    const bomb = zipped(new Uint8Array(64 * megabyte))
    await expectCode(() => decodeGzip(bomb), 'LIMIT_EXCEEDED', 'bomb')
    expect(inflated()).toBe(0)
  })

  it('stops inflating a bomb that lies as soon as there is more than it says', async () => {
    const inflated = countInflated()
    const bomb = zipped(new Uint8Array(64 * megabyte))
    new DataView(bomb.buffer).setUint32(bomb.length - 4, 1000, true)
    await expectCode(() => decodeGzip(bomb), 'MALFORMED', 'bomb')
    // The step that brought too much, and what the platform queues ahead; inflating it all would need every byte.
    expect(inflated()).toBeLessThanOrEqual(6 * INFLATE_BYTES)
    expect(bomb.length).toBeGreaterThan(12 * INFLATE_BYTES)
  })

  const member = zipped(pattern(5000))
  const changed = (at: number, value: number) => {
    const copy = member.slice()
    copy[at < 0 ? copy.length + at : at] = value
    return copy
  }
  it.each([
    ['nothing', hex('')],
    ['a header alone', member.subarray(0, 10)],
    ['half of it', member.subarray(0, member.length >> 1)],
    ['all but the last byte', member.subarray(0, -1)],
    ['another format', changed(0, 0)],
    ['an unknown method', changed(2, 7)],
    ['a wrong checksum', changed(-6, member.at(-6)! ^ 1)],
    ['a length that is too short', changed(-4, member.at(-4)! - 1)],
    ['a length that is too long', changed(-4, member.at(-4)! + 1)],
    ['a length that no deflate reaches', hex('1f8b08 00 00000000 00 ff', '0300', '00000000', 'ffff0000')],
    ['bytes behind it', Uint8Array.of(...member, 1, 2, 3, 4, 5)],
    ['a second member', Uint8Array.of(...member, ...zipped(pattern(100)))],
  ])('refuses as malformed: %s', async (_, bytes) => {
    await expectCode(() => decodeGzip(bytes), 'MALFORMED', 'inflating')
  })

  it('says so where the platform has no gzip', async () => {
    vi.stubGlobal('CompressionStream', undefined)
    vi.stubGlobal('DecompressionStream', undefined)
    await expectCode(() => encodeGzip(hex('00')), 'NOT_SUPPORTED', 'compressing')
    await expectCode(() => decodeGzip(member), 'NOT_SUPPORTED', 'inflating')
  })
})
