import { describe, expect, it } from 'vitest'
import { COMMAND, COMMAND_FLAG, ERRNO } from '../../../src/adapters/nbd/codes.ts'
import {
  BYTES_IN_FLIGHT,
  REQUEST_BYTES,
  REQUESTS_IN_FLIGHT,
  SEND_AHEAD_BYTES,
} from '../../../src/adapters/nbd/limits.ts'
import { StorageError } from '../../../src/errors/storage-error.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { FlakyStorage } from '../../support/flaky-storage.ts'
import { FakeClient, GO, request, settle } from './fake-client.ts'
import { hex, join, toHex } from './hex.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** A storage whose calls wait until the test lets them go. */
class HeldStorage implements StorageProvider {
  readonly size: number
  readonly held: { kind: string; offset: number; go: () => void }[] = []
  readonly #inner: MemoryStorage

  constructor(size: number) {
    this.size = size
    this.#inner = new MemoryStorage(size, { sparse: true })
  }

  #hold(kind: string, offset: number): Promise<void> {
    return new Promise((go) => this.held.push({ kind, offset, go }))
  }

  async readAt(target: Uint8Array, offset: number): Promise<number> {
    await this.#hold('read', offset)
    return this.#inner.readAt(target, offset)
  }

  async writeAt(data: Uint8Array, offset: number): Promise<number> {
    await this.#hold('write', offset)
    return this.#inner.writeAt(data, offset)
  }

  async flush(): Promise<void> {
    await this.#hold('flush', 0)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  cancelWrites(): void {}

  async release(index = 0): Promise<void> {
    this.held.splice(index, 1)[0]!.go()
    await settle()
  }
}

function filled(size: number, options: { sparse?: boolean } = {}): MemoryStorage {
  const disk = new MemoryStorage(size, options)
  for (let at = 0; at < size; at += 4096) disk.writeAtSync(new Uint8Array(4096).fill((at / 4096) % 255 || 1), at)
  return disk
}

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

describe('requests', () => {
  it('run at the same time and are answered as they end', async () => {
    const disk = new HeldStorage(64 * KiB)
    const client = new FakeClient(disk).choose('simple')
    client.connection.receive(
      join([1, 2, 3].map((cookie) => request({ command: COMMAND.READ, cookie, offset: cookie * 4096, length: 1 }))),
    )
    expect(disk.held.map(({ offset }) => offset)).toEqual([4096, 8192, 12288])
    await disk.release(2)
    expect(toHex(client.received())).toBe(`${ok(3)}00`)
    await disk.release(0)
    expect(toHex(client.received())).toBe(`${ok(1)}00`)
  })

  it('with FUA are answered when the storage has flushed', async () => {
    const disk = new HeldStorage(64 * KiB)
    const client = new FakeClient(disk).choose('simple')
    client.connection.receive(request({ command: COMMAND.WRITE, flags: COMMAND_FLAG.FUA, payload: hex('01') }))
    await disk.release()
    expect(disk.held.map(({ kind }) => kind)).toEqual(['flush'])
    expect(client.received().length).toBe(0)
    await disk.release()
    expect(toHex(client.received())).toBe(ok())
  })

  it('share a flush that has not begun', async () => {
    const disk = new HeldStorage(64 * KiB)
    const client = new FakeClient(disk).choose('simple')
    for (const cookie of [1, 2, 3, 4]) client.connection.receive(request({ command: COMMAND.FLUSH, cookie }))
    expect(disk.held.length).toBe(1)
    await disk.release()
    expect(toHex(client.received())).toBe(ok(1))
    expect(disk.held.length).toBe(1)
    await disk.release()
    expect(toHex(client.received())).toBe(ok(2) + ok(3) + ok(4))
    expect(disk.held.length).toBe(0)
  })

  it.each([
    ['QUOTA_EXCEEDED', ERRNO.ENOSPC],
    ['CLOSED', ERRNO.ESHUTDOWN],
    ['LOCKED', ERRNO.ESHUTDOWN],
    ['WRITE_FAILED', ERRNO.EIO],
    ['PEER_LOST', ERRNO.EIO],
  ] as const)('that fail with %s are errno %i, and the server is told', async (code, errno) => {
    const error = new StorageError(code)
    const client = new FakeClient(new FlakyStorage(new MemoryStorage(4096), () => ({ error }))).choose('simple')
    expect(toHex(await client.ask({ command: COMMAND.WRITE, payload: hex('01') }))).toBe(failed(errno))
    expect(client.failures).toEqual([error])
  })

  it.each(['read', 'write'] as const)('are errors when the storage cuts a %s short', async (kind) => {
    const client = new FakeClient(new FlakyStorage(new MemoryStorage(4096), () => ({ how: 'short' }))).choose('simple')
    const options =
      kind === 'read' ? { command: COMMAND.READ, length: 2 } : { command: COMMAND.WRITE, payload: hex('0102') }
    expect(toHex(await client.ask(options))).toBe(failed(ERRNO.EIO))
  })

  it('that fail leave the connection as it is', async () => {
    const client = new FakeClient(new MemoryStorage(4096), { readOnly: true }).choose('simple')
    client.connection.receive(
      join([
        request({ command: COMMAND.WRITE, payload: new Uint8Array(5000), cookie: 1 }),
        request({ command: COMMAND.READ, length: 1, cookie: 2 }),
      ]),
    )
    await settle()
    expect(toHex(client.received())).toBe(`${failed(ERRNO.EPERM)}${ok(2)}00`)
  })

  it('for more than the largest write are refused without keeping the payload', async () => {
    const client = new FakeClient(new MemoryStorage(2 ** 40, { sparse: true })).choose('simple')
    client.connection.receive(request({ command: COMMAND.WRITE, length: REQUEST_BYTES + 1 }))
    const piece = new Uint8Array(MiB)
    for (let left = REQUEST_BYTES + 1; left > 0; left -= MiB) {
      expect(client.connection.place).toBeUndefined()
      client.connection.receive(piece.subarray(0, Math.min(MiB, left)))
    }
    expect(toHex(client.received())).toBe(failed(ERRNO.EINVAL))
    expect(toHex(await client.ask({ command: COMMAND.READ, length: 1 }))).toBe(`${ok()}00`)
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

async function readAll(disk: StorageProvider): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.size)
  await disk.readAt(bytes, 0)
  return bytes
}

describe('a write', () => {
  it('is carried out only when its whole payload is here', async () => {
    const disk = new MemoryStorage(64 * KiB)
    const client = new FakeClient(disk).choose('simple')
    const whole = request({ command: COMMAND.WRITE, payload: new Uint8Array(32 * KiB).fill(7) })
    client.connection.receive(whole.subarray(0, whole.length - 1))
    await settle()
    client.connection.peerEnded()
    await client.connection.finished
    expect((await readAll(disk)).every((byte) => byte === 0)).toBe(true)
    expect(client.broken.map(({ code }) => code)).toEqual(['PEER_LOST'])
    expect(client.ended).toBe(true)
  })

  it('reads straight into place', async () => {
    const disk = new MemoryStorage(64 * KiB)
    const client = new FakeClient(disk).choose('simple')
    const whole = request({ command: COMMAND.WRITE, payload: new Uint8Array(32 * KiB).fill(7) })
    expect(client.connection.place).toBeUndefined()
    client.connection.receive(whole.subarray(0, 1000))
    client.connection.place!.set(whole.subarray(1000))
    client.connection.placed(whole.length - 1000)
    await settle()
    expect(toHex(client.received())).toBe(ok())
    expect((await readAll(disk)).subarray(0, 32 * KiB).every((byte) => byte === 7)).toBe(true)
  })

  it('that comes while the export turns read-only is refused', async () => {
    const disk = new MemoryStorage(64 * KiB)
    const client = new FakeClient(disk).choose('simple')
    const whole = request({ command: COMMAND.WRITE, payload: hex('0102') })
    client.connection.receive(whole.subarray(0, 29))
    await client.export.setReadOnly(true)
    client.connection.receive(whole.subarray(29))
    await settle()
    expect(toHex(client.received())).toBe(failed(ERRNO.EPERM))
    expect((await readAll(disk))[0]).toBe(0)
    // It is the client's news, not a fault of the disk.
    expect(client.failures).toEqual([])
  })
})

describe('the peer is held back', () => {
  it('by the number of requests', async () => {
    const disk = new HeldStorage(64 * KiB)
    const client = new FakeClient(disk).choose('simple')
    const many = Array.from({ length: REQUESTS_IN_FLIGHT + 5 }, () => request({ command: COMMAND.READ, length: 1 }))
    client.connection.receive(join(many))
    expect(disk.held.length).toBe(REQUESTS_IN_FLIGHT)
    expect(client.reading).toBe(false)
    for (let left = 5; left > 0; left--) await disk.release()
    expect(disk.held.length).toBe(REQUESTS_IN_FLIGHT)
    expect(client.reading).toBe(true)
  })

  it('by the bytes they hold', async () => {
    const disk = new HeldStorage(2 ** 30)
    const client = new FakeClient(disk).choose('simple')
    const half = BYTES_IN_FLIGHT / 2
    client.connection.receive(join([half, half, 1].map((length) => request({ command: COMMAND.READ, length }))))
    expect(disk.held.length).toBe(2)
    expect(client.reading).toBe(false)
    await disk.release()
    expect(disk.held.length).toBe(2)
    expect(client.reading).toBe(true)
  })

  it('by answers it does not take', async () => {
    const client = new FakeClient(filled(4 * MiB)).choose('simple')
    client.taking = false
    const reads = Array.from({ length: 16 }, () => request({ command: COMMAND.READ, length: 256 * KiB }))
    client.connection.receive(join(reads))
    await settle()
    expect(client.reading).toBe(false)
    expect(client.unsent).toBeLessThanOrEqual(SEND_AHEAD_BYTES + 256 * KiB + 16)
    for (let turn = 0; turn < 4; turn++) client.takeAll()
    expect(client.reading).toBe(true)
    expect(client.received().length).toBe(reads.length * (16 + 256 * KiB))
  })

  it('while it shakes hands', () => {
    const client = new FakeClient(new MemoryStorage(4096))
    client.taking = false
    const lists = join([
      hex('00 00 00 03'),
      ...Array.from({ length: 1000 }, () => hex('"IHAVEOPT" 00 00 00 03 00 00 00 00')),
    ])
    client.unsent = SEND_AHEAD_BYTES + 1
    client.connection.receive(lists)
    expect(client.reading).toBe(false)
    client.takeAll()
    expect(client.reading).toBe(true)
    expect(client.received().length).toBe(18 + 1000 * (24 + 20))
  })

  it('and a header that came before its place keeps waiting', async () => {
    const disk = new HeldStorage(2 ** 30)
    const client = new FakeClient(disk).choose('simple')
    client.connection.receive(request({ command: COMMAND.READ, length: BYTES_IN_FLIGHT }))
    const write = request({ command: COMMAND.WRITE, payload: hex('"late"'), cookie: 2 })
    client.connection.receive(write)
    expect(client.connection.place).toBeUndefined()
    await disk.release()
    expect(disk.held.map(({ kind }) => kind)).toEqual(['write'])
    await disk.release()
    expect(toHex(client.received()).endsWith(ok(2))).toBe(true)
  })
})

describe('a connection ends', () => {
  it('without waiting for a client that does not take its answers: that is the time limit of the wire', async () => {
    const client = new FakeClient(filled(MiB)).choose('simple')
    client.taking = false
    client.connection.receive(request({ command: COMMAND.READ, length: MiB }))
    client.connection.finish()
    await client.connection.finished
    expect(client.ended).toBe(true)
    client.takeAll()
  })

  it('after DISC, when what came before is answered, and what comes behind is ignored', async () => {
    const disk = new HeldStorage(64 * KiB)
    const client = new FakeClient(disk).choose('simple')
    client.connection.receive(
      join([
        request({ command: COMMAND.WRITE, payload: hex('01') }),
        request({ command: COMMAND.DISC }),
        request({ command: COMMAND.WRITE, payload: hex('02') }),
      ]),
    )
    expect(client.ended).toBe(false)
    await disk.release()
    expect(toHex(client.received())).toBe(ok())
    expect(client.ended).toBe(true)
    expect(disk.held.length).toBe(0)
  })

  it('after ABORT, acknowledged', () => {
    const client = new FakeClient(new MemoryStorage(4096))
    client.received()
    client.connection.receive(hex('00 00 00 03 "IHAVEOPT" 00 00 00 02 00 00 00 00'))
    expect(toHex(client.received())).toBe(toHex(hex('00 03 e8 89 04 55 65 a9 00 00 00 02 00 00 00 01 00 00 00 00')))
    expect(client.ended).toBe(true)
    expect(client.broken).toEqual([])
  })

  it.each([
    ['in the handshake', hex('"GET / HTTP/1.1"'), 'INCOMPATIBLE'],
    ['instead of a request', join([GO.simple, new Uint8Array(28)]), 'MALFORMED'],
  ])('at garbage %s', async (_, bytes, code) => {
    const client = new FakeClient(new MemoryStorage(4096))
    client.connection.receive(bytes)
    await client.connection.finished
    expect(client.ended).toBe(true)
    expect(client.broken.map((error) => error.code)).toEqual([code])
  })

  it('when the peer ends between two requests, as an old client does, without a complaint', async () => {
    const client = new FakeClient(new MemoryStorage(4096)).choose('simple')
    await client.ask({ command: COMMAND.READ, length: 1 })
    client.connection.peerEnded()
    await client.connection.finished
    expect(client.broken).toEqual([])
  })

  it('once', async () => {
    const client = new FakeClient(new MemoryStorage(4096)).choose('simple')
    client.connection.finish()
    client.connection.finish()
    client.connection.peerEnded()
    client.connection.receive(request({ command: COMMAND.READ, length: 1 }))
    client.connection.placed(1)
    expect(client.connection.place).toBeUndefined()
    await client.connection.finished
    expect(client.received().length).toBe(0)
  })
})
