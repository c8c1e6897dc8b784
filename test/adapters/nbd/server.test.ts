import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { Connection } from '../../../src/adapters/nbd/connection.ts'
import { CLOSE_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS } from '../../../src/adapters/nbd/limits.ts'
import { type NbdAddress, NbdServer, type NbdServerOptions } from '../../../src/adapters/nbd/server.node.ts'
import { systemClock } from '../../../src/async/clock.ts'
import { errorCode, StorageError } from '../../../src/errors/storage-error.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { FlakyStorage } from '../../support/flaky-storage.ts'
import { SlowStorage } from '../../support/slow-storage.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { GO, request } from './fake-client.ts'
import { hex, join, toHex } from './hex.ts'

const SIZE = 2 ** 20
let folder: string
let socketPath: string
const servers: NbdServer[] = []

beforeEach(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), 'blockferry-nbd-'))
  socketPath = joinPath(folder, 'socket')
})
afterEach(async () => {
  vi.restoreAllMocks()
  await Promise.allSettled(servers.splice(0).map((server) => server.close()))
  await rm(folder, { recursive: true })
})

/** A server of one export called `disk`, on a unix socket. */
async function serve(provider: StorageProvider, options: Omit<NbdServerOptions, 'exports'> = {}): Promise<NbdServer> {
  const server = new NbdServer({ exports: { disk: { provider } }, ...options })
  servers.push(server)
  await server.listen({ unix: socketPath })
  return server
}

/** Errors the server tells of, by code. */
function errorsOf(server: NbdServer): (string | undefined)[] {
  const codes: (string | undefined)[] = []
  server.on('error', ({ error }) => codes.push(errorCode(error) ?? String(error)))
  return codes
}

/** A client that speaks bytes. */
class RawClient {
  readonly socket: Socket
  readonly closed: Promise<void>
  readonly #received: Uint8Array[] = []
  #bytes = 0

  constructor(address: NbdAddress = { unix: socketPath }) {
    this.socket = 'unix' in address ? connect(address.unix) : connect(address.port, address.host)
    this.socket.on('data', (bytes) => {
      this.#received.push(bytes)
      this.#bytes += bytes.length
    })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => resolve())
      this.socket.on('error', () => {})
    })
  }

  /** The next bytes of the server. */
  async take(count: number): Promise<Uint8Array> {
    await vi.waitFor(() => expect(this.#bytes).toBeGreaterThanOrEqual(count), { timeout: 5000, interval: 2 })
    const all = join(this.#received.splice(0))
    this.#received.push(all.subarray(count))
    this.#bytes -= count
    return all.subarray(0, count)
  }

  /** Shakes hands and forgets what the server said. */
  async choose(): Promise<this> {
    this.socket.write(GO.simple)
    await this.take(18 + 32 + 20)
    return this
  }
}

/** Makes this Node one whose sockets cannot read into buffers of ours, until the test ends. */
async function hidePlaces(): Promise<void> {
  const socket = new RawClient().socket
  await new Promise((resolve) => socket.once('connect', resolve))
  const { prototype } = (socket as unknown as { _handle: { constructor: { prototype: object } } })._handle.constructor
  Object.defineProperty(prototype, 'useUserBuffer', { value: undefined, configurable: true })
  onTestFinished(() => {
    Reflect.deleteProperty(prototype, 'useUserBuffer')
  })
  socket.destroy()
}

const ok = '67446698000000000000000000000001'

describe('a server', () => {
  it.each([
    ['a unix socket', () => ({ unix: socketPath })],
    ['TCP', () => ({ host: '127.0.0.1', port: 0 })],
  ])('serves on %s', async (_, address) => {
    const server = new NbdServer({ exports: new Map([['disk', { provider: new MemoryStorage(SIZE) }]]) })
    servers.push(server)
    const bound = await server.listen(address())
    const client = await new RawClient(bound).choose()
    client.socket.write(request({ command: 1, offset: 5, payload: hex('"hello"') }))
    expect(toHex(await client.take(16))).toBe(ok)
    client.socket.write(request({ command: 0, offset: 5, length: 5 }))
    expect(toHex(await client.take(21))).toBe(`${ok}68656c6c6f`)
    client.socket.write(request({ command: 2 }))
    await client.closed
    await vi.waitFor(() => expect(server.clients).toBe(0))
  })

  it('serves several addresses at once and tells what happens', async () => {
    const server = await serve(new MemoryStorage(SIZE))
    const other = await server.listen({ host: '127.0.0.1', port: 0 })
    const events: unknown[] = []
    for (const type of ['connection', 'chosen', 'disconnection', 'error'] as const) {
      server.on(type, (event) => events.push([type, event]))
    }
    const client = await new RawClient(other).choose()
    client.socket.end()
    await client.closed
    await vi.waitFor(() =>
      expect(events).toEqual([
        ['connection', { client: 1 }],
        ['chosen', { client: 1, export: 'disk' }],
        ['disconnection', { client: 1 }],
      ]),
    )
  })

  it('finishes what a client asked for before it ended its side', async () => {
    const disk = new MemoryStorage(SIZE)
    await serve(new SlowStorage(disk, { clock: systemClock, latencyMs: () => 20 }))
    const client = await new RawClient().choose()
    client.socket.end(
      join([request({ command: 1, payload: hex('07') }), request({ command: 0, length: 1, offset: 9 })]),
    )
    expect(toHex(await client.take(33))).toBe(`${ok}${ok}00`)
    await client.closed
  })

  it.each(['read in place', 'copied'])('serves many requests of large and odd sizes, payloads %s', async (how) => {
    const disk = new MemoryStorage(SIZE)
    await serve(disk)
    const placed = vi.spyOn(Connection.prototype, 'placed')
    if (how === 'copied') await hidePlaces()
    const client = await new RawClient().choose()
    const lengths = [1, 100, 4096, 65535, 65536, 65537, 300_000]
    let at = 0
    for (const [index, length] of lengths.entries()) {
      client.socket.write(request({ command: 1, offset: at, payload: new Uint8Array(length).fill(index + 1) }))
      at += length
    }
    await client.take(16 * lengths.length)
    expect(placed.mock.calls.length > 0).toBe(how === 'read in place')
    client.socket.write(request({ command: 0, length: at }))
    const reply = await client.take(16 + at)
    at = 16
    for (const [index, length] of lengths.entries()) {
      expect(reply.subarray(at, at + length).every((byte) => byte === index + 1)).toBe(true)
      at += length
    }
  })

  it('lets no client write half of what it announced', async () => {
    const disk = new MemoryStorage(SIZE)
    const server = await serve(disk)
    const errors = errorsOf(server)
    const client = await new RawClient().choose()
    const whole = request({ command: 1, payload: new Uint8Array(SIZE).fill(7) })
    client.socket.write(whole.subarray(0, SIZE - 10))
    await vi.waitFor(() => expect(client.socket.writableLength).toBe(0))
    client.socket.destroy()
    await vi.waitFor(() => expect(server.clients).toBe(0))
    const bytes = new Uint8Array(SIZE)
    disk.readAtSync(bytes, 0)
    expect(bytes.every((byte) => byte === 0)).toBe(true)
    expect(errors).toEqual(['PEER_LOST'])
  })

  it('hangs up on garbage and serves others meanwhile', async () => {
    const server = await serve(new MemoryStorage(SIZE))
    const errors = errorsOf(server)
    const good = await new RawClient().choose()
    const bad = new RawClient()
    bad.socket.write('GET / HTTP/1.1\r\nHost: disk\r\n\r\n')
    await bad.closed
    const worse = await new RawClient().choose()
    worse.socket.write(new Uint8Array(100_000))
    await worse.closed
    good.socket.write(request({ command: 0, length: 1 }))
    expect(toHex(await good.take(17))).toBe(`${ok}00`)
    expect(errors).toEqual(['INCOMPATIBLE', 'MALFORMED'])
  })

  it('hangs up on whoever takes too long to choose, and not on whoever chose', async () => {
    const clock = new VirtualClock({ automatic: false })
    const server = await serve(new MemoryStorage(SIZE), { clock })
    const errors = errorsOf(server)
    const chooser = await new RawClient().choose()
    const loiterer = new RawClient()
    await loiterer.take(18)
    loiterer.socket.write(GO.simple.subarray(0, 10))
    await clock.advance(HANDSHAKE_TIMEOUT_MS - 1)
    expect(errors).toEqual([])
    await clock.advance(1)
    await loiterer.closed
    expect(errors).toEqual(['LIMIT_EXCEEDED'])
    chooser.socket.write(request({ command: 0, length: 1 }))
    await chooser.take(17)
    expect(server.clients).toBe(1)
  })

  it('takes no more clients than allowed, and another one when one is gone', async () => {
    const server = await serve(new MemoryStorage(SIZE), { connections: 1 })
    const errors = errorsOf(server)
    const first = await new RawClient().choose()
    await new RawClient().closed
    expect(errors).toEqual(['LIMIT_EXCEEDED'])
    first.socket.end()
    await first.closed
    await vi.waitFor(() => expect(server.clients).toBe(0))
    await new RawClient().choose()
  })

  it('holds a client back that takes no answers, and goes on when it does', async () => {
    const disk = new FlakyStorage(new MemoryStorage(SIZE))
    await serve(disk)
    const client = await new RawClient().choose()
    client.socket.pause()
    const count = 64
    for (let index = 0; index < count; index++) client.socket.write(request({ command: 0, length: SIZE / 4 }))
    await vi.waitFor(() => expect(disk.calls.read).toBeGreaterThan(2))
    await systemClock.sleep(100)
    expect(disk.calls.read).toBeLessThan(count / 2)
    client.socket.resume()
    await client.take(count * (16 + SIZE / 4))
    expect(disk.calls.read).toBe(count)
  })

  it('tells of a storage that fails, and goes on', async () => {
    const disk = new FlakyStorage(new MemoryStorage(SIZE), ({ operation, number }) =>
      operation === 'read' && number === 1 ? {} : undefined,
    )
    const server = await serve(disk)
    const errors = errorsOf(server)
    const client = await new RawClient().choose()
    client.socket.write(request({ command: 0, length: 1 }))
    expect(toHex(await client.take(16))).toBe('67446698000000050000000000000001')
    client.socket.write(request({ command: 0, length: 1 }))
    expect(toHex(await client.take(17))).toBe(`${ok}00`)
    expect(errors).toEqual(['READ_FAILED'])
  })
})

describe('the path of a socket', () => {
  it('is not taken from a server that lives', async () => {
    await serve(new MemoryStorage(SIZE))
    const other = new NbdServer({ exports: { disk: { provider: new MemoryStorage(SIZE) } } })
    await expect(other.listen({ unix: socketPath })).rejects.toMatchObject({ code: 'OPEN_FAILED' })
    await new RawClient().choose()
  })

  it('is taken over from a process that ended', async () => {
    const script = `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 9))`
    spawnSync(process.execPath, ['-e', script])
    expect(existsSync(socketPath)).toBe(true)
    await serve(new MemoryStorage(SIZE))
    await new RawClient().choose()
  })

  it('is not taken from a file', async () => {
    writeFileSync(socketPath, 'precious')
    const server = new NbdServer({ exports: { disk: { provider: new MemoryStorage(SIZE) } } })
    await expect(server.listen({ unix: socketPath })).rejects.toMatchObject({ code: 'OPEN_FAILED' })
    expect(existsSync(socketPath)).toBe(true)
  })

  it('that cannot be is refused with a code', async () => {
    const server = new NbdServer({ exports: { disk: { provider: new MemoryStorage(SIZE) } } })
    for (const unix of [joinPath(folder, 'none', 'socket'), joinPath(folder, 'x'.repeat(200))]) {
      await expect(server.listen({ unix })).rejects.toMatchObject({ code: 'OPEN_FAILED' })
    }
  })
})

describe('closing a server', () => {
  it('answers what is under way, flushes, ends clients and removes the socket', async () => {
    const inner = new FlakyStorage(new MemoryStorage(SIZE))
    const server = await serve(new SlowStorage(inner, { clock: systemClock, latencyMs: () => 30 }))
    const client = await new RawClient().choose()
    client.socket.write(request({ command: 1, payload: hex('07') }))
    await systemClock.sleep(10)
    const closing = server.close()
    expect(server.close()).toBe(closing)
    expect(toHex(await client.take(16))).toBe(ok)
    client.socket.end()
    await closing
    expect(inner.calls.flush).toBe(1)
    expect(existsSync(socketPath)).toBe(false)
    await expect(server.listen({ unix: socketPath })).rejects.toMatchObject({ code: 'CLOSED' })
    // The provider is the caller's.
    await inner.readAt(new Uint8Array(1), 0)
  })

  it('cuts off a client that does not take its answers', async () => {
    const clock = new VirtualClock({ automatic: false })
    const server = await serve(new MemoryStorage(SIZE), { clock })
    const client = await new RawClient().choose()
    client.socket.pause()
    for (let index = 0; index < 8; index++) client.socket.write(request({ command: 0, length: SIZE }))
    await systemClock.sleep(50)
    const closing = server.close()
    await systemClock.sleep(20)
    await clock.advance(CLOSE_TIMEOUT_MS)
    await closing
    client.socket.destroy()
  })

  it('rejects with what a flush threw, when all else is done', async () => {
    const error = new StorageError('FLUSH_FAILED')
    const server = await serve(
      new FlakyStorage(new MemoryStorage(SIZE), ({ operation }) => (operation === 'flush' ? { error } : undefined)),
    )
    const client = await new RawClient().choose()
    await expect(server.close()).rejects.toBe(error)
    await client.closed
    expect(existsSync(socketPath)).toBe(false)
  })

  it('ends a client in the middle of its handshake or of a payload', async () => {
    const server = await serve(new MemoryStorage(SIZE))
    const shaking = new RawClient()
    await shaking.take(18)
    const writing = await new RawClient().choose()
    writing.socket.write(request({ command: 1, length: 1000 }))
    await systemClock.sleep(10)
    await Promise.all([server.close(), shaking.closed, writing.closed])
  })

  it('without ever having listened is nothing', async () => {
    await new NbdServer({ exports: {} }).close()
  })
})

describe('exports at run time', () => {
  it('turn read-only under a client that is connected', async () => {
    const server = await serve(new MemoryStorage(SIZE))
    const client = await new RawClient().choose()
    await server.setReadOnly('disk', true)
    client.socket.write(request({ command: 1, payload: hex('07') }))
    expect(toHex(await client.take(16))).toBe('67446698000000010000000000000001')
    await server.setReadOnly('disk', false)
    client.socket.write(request({ command: 1, payload: hex('07') }))
    expect(toHex(await client.take(16))).toBe(ok)
  })

  it('get another provider under a client that is connected', async () => {
    const other = new MemoryStorage(SIZE)
    other.writeAtSync(Uint8Array.of(9), 0)
    const server = await serve(new MemoryStorage(SIZE))
    const client = await new RawClient().choose()
    await server.replaceProvider('disk', other)
    client.socket.write(request({ command: 0, length: 1 }))
    expect(toHex(await client.take(17))).toBe(`${ok}09`)
  })

  it('are named', async () => {
    const server = await serve(new MemoryStorage(SIZE))
    await expect(server.setReadOnly('none', true)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(server.replaceProvider('none', new MemoryStorage(SIZE))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const provider = new MemoryStorage(SIZE)
    expect(() => new NbdServer({ exports: { ['x'.repeat(4097)]: { provider } } })).toThrow(RangeError)
    expect(() => new NbdServer({ exports: { disk: { provider, description: '\0' } } })).toThrow(RangeError)
    expect(() => new NbdServer({ exports: {}, connections: 0 })).toThrow(RangeError)
  })
})
