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
import { FlakyStorage } from '../../support/flaky-storage.ts'
import { FakeClient, GO, request, settle } from './fake-client.ts'
import { hex, join, toHex } from './hex.ts'
import { filled, HeldStorage, readAll } from './test-disks.ts'

const KiB = 1024
const MiB = 1024 * KiB

const ok = (cookie = 1) => `6744669800000000${cookie.toString(16).padStart(16, '0')}`
const failed = (errno: number) => `67446698${errno.toString(16).padStart(8, '0')}0000000000000001`

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
