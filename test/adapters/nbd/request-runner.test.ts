import { describe, expect, it } from 'vitest'
import { COMMAND, COMMAND_FLAG, ERRNO } from '../../../src/adapters/nbd/codes.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { FakeClient } from './fake-client.ts'
import { hex, toHex } from './hex.ts'
import { filled, readAll } from './test-disks.ts'

const KiB = 1024
const MiB = 1024 * KiB

const ok = (cookie = 1) => `6744669800000000${cookie.toString(16).padStart(16, '0')}`
const failed = (errno: number) => `67446698${errno.toString(16).padStart(8, '0')}0000000000000001`

describe('a client with simple replies', () => {
  it('reads', async () => {
    const client = new FakeClient(filled(64 * KiB)).choose('simple')
    const reply = await client.ask({ command: COMMAND.READ, offset: 4095, length: 3 })
    expect(toHex(reply)).toBe(`${ok()}010101`)
  })

  it('reads zeroes as data', async () => {
    const client = new FakeClient(new MemoryStorage(MiB)).choose('simple')
    const reply = await client.ask({ command: COMMAND.READ, length: 64 * KiB })
    expect(reply.length).toBe(16 + 64 * KiB)
  })

  it('writes and reads back', async () => {
    const disk = new MemoryStorage(64 * KiB)
    const client = new FakeClient(disk).choose('simple')
    expect(toHex(await client.ask({ command: COMMAND.WRITE, offset: 4000, payload: hex('"hello"') }))).toBe(ok())
    expect(toHex(await client.ask({ command: COMMAND.READ, offset: 4000, length: 5 }))).toBe(`${ok()}68656c6c6f`)
  })

  it.each([
    ['read', { command: COMMAND.READ }],
    ['write', { command: COMMAND.WRITE }],
    ['zero', { command: COMMAND.WRITE_ZEROES }],
    ['trim', { command: COMMAND.TRIM }],
  ])('may %s nothing', async (_, nothing) => {
    const client = new FakeClient(filled(64 * KiB)).choose('simple')
    expect(toHex(await client.ask({ ...nothing, offset: 64 * KiB }))).toBe(ok())
  })

  it('gets an error without a sentence', async () => {
    const client = new FakeClient(new MemoryStorage(4096)).choose('simple')
    expect(toHex(await client.ask({ command: COMMAND.READ, offset: 4096, length: 1 }))).toBe(failed(ERRNO.EINVAL))
  })
})

describe('a client with structured replies', () => {
  it('reads data in one chunk', async () => {
    const client = new FakeClient(filled(64 * KiB)).choose('structured')
    const reply = await client.ask({ command: COMMAND.READ, offset: 4095, length: 3 })
    expect(toHex(reply)).toBe(
      toHex(hex('66 8e 33 ef 00 01 00 01 00 00 00 00 00 00 00 01 00 00 00 0b 00 00 00 00 00 00 0f ff 01 01 01')),
    )
  })

  it('gets a hole for zeroes, between its data', async () => {
    const disk = filled(96 * KiB)
    await disk.zeroAt(16 * KiB, 64 * KiB)
    const client = new FakeClient(disk).choose('structured')
    const reply = await client.ask({ command: COMMAND.READ, length: 96 * KiB })
    const [first, hole, last] = [28 + 16 * KiB, 32, 28 + 16 * KiB]
    expect(reply.length).toBe(first + hole + last)
    expect(toHex(reply.subarray(0, 28))).toBe(
      toHex(hex('66 8e 33 ef 00 00 00 01 00 00 00 00 00 00 00 01 00 00 40 08 00 00 00 00 00 00 00 00')),
    )
    expect(toHex(reply.subarray(first, first + hole))).toBe(
      toHex(hex('66 8e 33 ef 00 00 00 02 00 00 00 00 00 00 00 01 00 00 00 0c 00 00 00 00 00 00 40 00 00 01 00 00')),
    )
    expect(toHex(reply.subarray(first + hole, first + hole + 28))).toBe(
      toHex(hex('66 8e 33 ef 00 01 00 01 00 00 00 00 00 00 00 01 00 00 40 08 00 00 00 00 00 01 40 00')),
    )
  })

  it('gets one chunk where it asks not to fragment, and a hole only when all is one', async () => {
    const disk = new MemoryStorage(96 * KiB)
    const client = new FakeClient(disk).choose('structured')
    const ask = () => client.ask({ command: COMMAND.READ, flags: COMMAND_FLAG.DF, length: 96 * KiB })
    expect(toHex((await ask()).subarray(0, 8))).toBe('668e33ef00010002')
    await disk.writeAt(Uint8Array.of(1), 0)
    const reply = await ask()
    expect(reply.length).toBe(28 + 96 * KiB)
    expect(toHex(reply.subarray(0, 8))).toBe('668e33ef00010001')
  })

  it.each([
    ['an offset that no sector starts at', 100, 64 * KiB],
    ['a piece too small for it', 0, 8 * KiB],
  ])('gets zeroes as data for %s', async (_, offset, length) => {
    const client = new FakeClient(new MemoryStorage(MiB)).choose('structured')
    expect((await client.ask({ command: COMMAND.READ, offset, length })).length).toBe(28 + length)
  })

  it('reads nothing', async () => {
    const client = new FakeClient(filled(64 * KiB)).choose('structured')
    const reply = await client.ask({ command: COMMAND.READ })
    expect(toHex(reply)).toBe(toHex(hex('66 8e 33 ef 00 01 00 00 00 00 00 00 00 00 00 01 00 00 00 00')))
  })

  it('gets a sentence with an error', async () => {
    const client = new FakeClient(new MemoryStorage(4096)).choose('structured')
    const reply = await client.ask({ command: COMMAND.READ, offset: 4096, length: 1 })
    expect(toHex(reply.subarray(0, 8))).toBe('668e33ef00018001')
    expect(Buffer.from(reply.subarray(26)).toString()).toBe('1 bytes at 4096 pass the end at 4096')
  })

  it('gets the status of a sparse disk, all or only the first range', async () => {
    const disk = new MemoryStorage(2 ** 40, { sparse: true })
    await disk.writeAt(Uint8Array.of(1), 3 * 65536)
    const client = new FakeClient(disk).choose('structured')
    const ask = (flags: number) =>
      client.ask({ command: COMMAND.BLOCK_STATUS, flags, offset: 65536, length: 8 * 65536 })
    expect(toHex(await ask(0))).toBe(
      toHex(
        hex(`66 8e 33 ef 00 01 00 05 00 00 00 00 00 00 00 01 00 00 00 1c 00 00 00 01
             00 02 00 00 00 00 00 03  00 01 00 00 00 00 00 00  00 05 00 00 00 00 00 03`),
      ),
    )
    expect(toHex(await ask(COMMAND_FLAG.REQ_ONE))).toBe(
      toHex(hex('66 8e 33 ef 00 01 00 05 00 00 00 00 00 00 00 01 00 00 00 0c 00 00 00 01 00 02 00 00 00 00 00 03')),
    )
  })

  it('is told that all is data where the storage cannot tell', async () => {
    const client = new FakeClient(new MemoryStorage(MiB)).choose('structured')
    const reply = await client.ask({ command: COMMAND.BLOCK_STATUS, length: MiB })
    expect(toHex(reply.subarray(24))).toBe(toHex(hex('00 10 00 00 00 00 00 00')))
  })
})

describe('zeroes', () => {
  const withZero = (disk: StorageProvider) => new FakeClient(disk).choose('simple')

  it('are dropped by a storage that knows holes', async () => {
    const disk = filled(MiB, { sparse: true })
    expect(toHex(await withZero(disk).ask({ command: COMMAND.WRITE_ZEROES, length: MiB }))).toBe(ok())
    expect(await disk.extents!(0, MiB)).toEqual([])
  })

  it('are written where no hole may come to be', async () => {
    const disk = filled(MiB, { sparse: true })
    const options = { command: COMMAND.WRITE_ZEROES, flags: COMMAND_FLAG.NO_HOLE, length: MiB }
    expect(toHex(await withZero(disk).ask(options))).toBe(ok())
    expect(await disk.extents!(0, MiB)).toEqual([{ offset: 0, length: MiB }])
    expect(new Uint8Array(await readAll(disk)).every((byte) => byte === 0)).toBe(true)
  })

  it.each([
    ['a storage that has to write them', new MemoryStorage(MiB), COMMAND_FLAG.FAST_ZERO],
    ['no hole', new MemoryStorage(MiB, { sparse: true }), COMMAND_FLAG.FAST_ZERO | COMMAND_FLAG.NO_HOLE],
  ])('are refused as fast for %s', async (_, disk, flags) => {
    const reply = await withZero(disk).ask({ command: COMMAND.WRITE_ZEROES, flags, length: MiB })
    expect(toHex(reply)).toBe(failed(ERRNO.ENOTSUP))
  })

  it('are fast where they are dropped', async () => {
    const disk = new MemoryStorage(2 ** 40, { sparse: true })
    const options = { command: COMMAND.WRITE_ZEROES, flags: COMMAND_FLAG.FAST_ZERO, length: 2 ** 32 - 1 }
    expect(toHex(await withZero(disk).ask(options))).toBe(ok())
  })

  it('are written to a storage that cannot drop them', async () => {
    const disk = filled(3 * MiB)
    const { size } = disk
    const plain: StorageProvider = {
      size,
      readAt: (target, offset) => disk.readAt(target, offset),
      writeAt: (data, offset) => disk.writeAt(data, offset),
      flush: () => disk.flush(),
      close: () => disk.close(),
      cancelWrites: () => {},
    }
    const reply = await withZero(plain).ask({ command: COMMAND.WRITE_ZEROES, offset: 1, length: size - 2 })
    expect(toHex(reply)).toBe(ok())
    const bytes = await readAll(disk)
    expect([bytes[0], bytes[1], bytes[size - 2], bytes[size - 1]]).toEqual([1, 0, 0, 2])
  })

  it('of a trim are dropped, or nothing is done', async () => {
    const sparse = filled(MiB, { sparse: true })
    const dense = filled(MiB)
    for (const disk of [sparse, dense]) {
      expect(toHex(await withZero(disk).ask({ command: COMMAND.TRIM, length: MiB }))).toBe(ok())
    }
    expect(await sparse.extents!(0, MiB)).toEqual([])
    expect((await readAll(dense))[0]).toBe(1)
  })
})
