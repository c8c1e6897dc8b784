import { describe, expect, test } from 'vitest'
import { type ReceivedDisk, receiveDisk } from '../../src/devices/receive-disk.ts'
import { type Connection, openConnection } from '../../src/protocol/connection.ts'
import { proveMigration } from '../../src/protocol/migration-proof.ts'
import type { Packet } from '../../src/protocol/packets/packet.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { HashTree } from '../../src/storage/hash-tree.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { RawPeer } from '../protocol/raw-peer.ts'

const BLOCK = 4096
const SIZE = 16 * BLOCK
const NONCE = new Uint8Array(16).fill(9)
const ID = new Uint8Array(16).fill(1)
const KEY = new Uint8Array(16).fill(2)

/** A source that says what it wants, to a destination of ours. */
class HostileSource {
  readonly peer: RawPeer
  readonly connection: Connection
  #id = 10

  constructor(peer: RawPeer, connection: Connection) {
    this.peer = peer
    this.connection = connection
  }

  static async connect(): Promise<HostileSource> {
    const { a, b } = memoryChannels()
    const opening = openConnection([a], { role: 'listener' })
    const peer = new RawPeer(b)
    const hello = (await peer.hear('hello')).packet as Packet & { kind: 'hello' }
    await peer.say(0, 1, { ...hello, nonce: NONCE, offered: 0 })
    const source = new HostileSource(peer, await opening)
    await peer.say(1, 2, { kind: 'dev-info', size: SIZE, blockSize: BLOCK, name: 'd', schema: '' })
    return source
  }

  /** Asks, and resolves with the answer to this very request. */
  async ask(packet: Packet): Promise<Packet> {
    const id = ++this.#id
    const from = this.peer.heard.length
    await this.peer.say(1, id, packet)
    let ended = false
    void this.peer.ended.then(() => {
      ended = true
    })
    for (;;) {
      if (ended) throw new Error('the connection ended')
      const heard = this.peer.heard.slice(from).find((one) => one.id === id || one.packet.kind === 'acks')
      if (heard) return heard.packet
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  begin(changes: Partial<Packet & { kind: 'begin' }> = {}): Promise<Packet> {
    return this.ask({
      kind: 'begin',
      isReleased: false,
      mayBeIncomplete: false,
      diskId: ID,
      epoch: 1,
      migrationId: ID,
      token: { type: 'key', key: KEY },
      ...changes,
    })
  }

  write(block: number, value: number, length = BLOCK): Promise<Packet> {
    return this.ask({ kind: 'write-at', form: 'data', offset: block * BLOCK, data: new Uint8Array(length).fill(value) })
  }

  zero(): Promise<Packet> {
    return this.ask({ kind: 'write-at', form: 'zeroes', offset: 0, length: SIZE, segments: new Uint8Array(0) })
  }

  prepare(changes: Partial<Packet & { kind: 'prepare' }> = {}): Promise<Packet> {
    return this.ask({ kind: 'prepare', epoch: 2, missingBlocks: 0, root: zeroRoot, ...changes })
  }
}

const zeroRoot = new HashTree(SIZE, BLOCK, await createBlockHasher()).root()

async function attacked(): Promise<{ source: HostileSource; received: ReceivedDisk; disk: MemoryStorage }> {
  const source = await HostileSource.connect()
  const disk = new MemoryStorage(SIZE)
  return { source, disk, received: await receiveDisk({ connection: source.connection, create: () => disk }) }
}

const refused = (code: string) => expect.objectContaining({ kind: 'failure-response', code })

describe('a destination refuses a source that', () => {
  test('writes, keeps, prepares or commits before it has begun', async () => {
    const { source, received } = await attacked()
    expect(await source.write(0, 1)).toEqual(refused('LOCKED'))
    expect(await source.ask({ kind: 'dirty-list', blockSize: BLOCK, blocks: Uint32Array.of(0) })).toEqual(
      refused('LOCKED'),
    )
    expect(await source.ask({ kind: 'keep', ranges: [] })).toEqual(refused('MALFORMED'))
    expect(await source.prepare()).toEqual(refused('MALFORMED'))
    expect(await source.ask({ kind: 'commit', epoch: 2 })).toEqual(refused('MALFORMED'))
    expect(await source.ask({ kind: 'read-digests', level: 'claims', first: 0, count: 1 })).toEqual(
      refused('MALFORMED'),
    )
    expect(received.disk.state).toBe('locked')
  })

  test('begins twice', async () => {
    const { source } = await attacked()
    expect(await source.begin()).toMatchObject({ kind: 'begin-response', state: 'receiving', hasClaims: false })
    expect(await source.begin()).toEqual(refused('MALFORMED'))
  })

  test('prepares with blocks missing, with another root or with none, and takes it as it should be', async () => {
    const { source, received } = await attacked()
    await source.begin()
    expect(await source.prepare()).toEqual(refused('VERIFY_FAILED'))
    expect(await source.prepare({ missingBlocks: 16, root: undefined })).toEqual(refused('VERIFY_FAILED'))
    await source.zero()
    expect(await source.prepare({ root: KEY })).toEqual(refused('VERIFY_FAILED'))
    expect(await source.prepare({ root: undefined })).toEqual(refused('VERIFY_FAILED'))
    expect(await source.prepare({ epoch: 3 })).toEqual(refused('MALFORMED'))
    expect(await source.prepare({ epoch: 1 })).toEqual(refused('MALFORMED'))
    expect(await source.ask({ kind: 'commit', epoch: 2 })).toEqual(refused('NOT_OWNER'))
    expect(received.disk.state).toBe('locked')
    expect(await source.prepare()).toMatchObject({ kind: 'prepare-response', root: zeroRoot })
    expect(await source.prepare()).toEqual(refused('MALFORMED'))
    expect(await source.write(0, 1)).toEqual(refused('LOCKED'))
    expect(await source.ask({ kind: 'complete', root: undefined })).toEqual(refused('MALFORMED'))
    expect(await source.ask({ kind: 'commit', epoch: 3 })).toEqual(refused('MALFORMED'))
    expect(await source.ask({ kind: 'commit', epoch: 2 })).toMatchObject({ kind: 'commit-response' })
    expect(await source.ask({ kind: 'commit', epoch: 2 })).toMatchObject({ kind: 'commit-response' })
    expect(await received.handedOver).toEqual(zeroRoot)
  })

  test('writes or takes back what it has handed over', async () => {
    const { source, received, disk } = await attacked()
    await source.begin()
    await source.zero()
    await source.prepare()
    await source.ask({ kind: 'commit', epoch: 2 })
    expect(await source.write(0, 1)).toEqual(refused('LOCKED'))
    expect(await source.ask({ kind: 'dirty-list', blockSize: BLOCK, blocks: Uint32Array.of(0) })).toEqual(
      refused('LOCKED'),
    )
    expect(await source.ask({ kind: 'cancel', epoch: 2 })).toEqual(refused('NOT_OWNER'))
    expect(await source.prepare()).toEqual(refused('MALFORMED'))
    await received.disk.writeAt(new Uint8Array(1).fill(7), 0)
    expect(disk.readAtSync(new Uint8Array(1), 0)).toBe(1)
    expect(received.cache.missingBlocks).toBe(0)
  })

  test('keeps what nobody claims, or past the end of the disk', async () => {
    const { source, received } = await attacked()
    await source.begin()
    await source.write(3, 1)
    const keep = (first: number, count: number) => source.ask({ kind: 'keep', ranges: [{ first, count }] })
    expect(await keep(2, 1)).toEqual(refused('MALFORMED'))
    expect(await keep(3, 2)).toEqual(refused('MALFORMED'))
    expect(await keep(15, 2 ** 32 - 1)).toEqual(refused('MALFORMED'))
    expect(await keep(3, 1)).toMatchObject({ kind: 'keep-response' })
    expect(received.cache.missingBlocks).toBe(15)
  })

  test('asks for digests past the end of the disk', async () => {
    const { source } = await attacked()
    await source.begin()
    const read = (first: number, count: number) => source.ask({ kind: 'read-digests', level: 'leaves', first, count })
    expect(await read(1, 1)).toEqual(refused('MALFORMED'))
    expect(await read(0, 2)).toEqual(refused('MALFORMED'))
    expect(await read(0, 1)).toMatchObject({ kind: 'read-digests-response' })
  })

  test('does not know the key of the migration it goes on with', async () => {
    const { source, received } = await attacked()
    await source.begin()
    const second = await HostileSource.connect()
    await received.attach(second.connection)
    void second.begin({ token: { type: 'proof', mac: new Uint8Array(32) } }).catch(() => {})
    expect((await second.peer.hear('farewell')).packet).toMatchObject({ code: 'UNAUTHORIZED' })
    expect(await second.connection.rw.ended).toMatchObject({ code: 'UNAUTHORIZED' })
    const third = await HostileSource.connect()
    await received.attach(third.connection)
    void third.begin({ token: { type: 'key', key: ID } }).catch(() => {})
    expect((await third.peer.hear('farewell')).packet).toMatchObject({ code: 'UNAUTHORIZED' })
  })

  test('goes on with another epoch than it began with, though it proves the key', async () => {
    const { source, received } = await attacked()
    await source.begin()
    for (const epoch of [0, 2]) {
      const next = await HostileSource.connect()
      await received.attach(next.connection)
      const context = { role: 'source', session: next.connection.session, diskId: ID, epoch } as const
      const mac = await proveMigration(KEY, context)
      expect(await next.begin({ epoch, token: { type: 'proof', mac } })).toEqual(refused('MALFORMED'))
    }
  })

  test('offers another disk over the next connection', async () => {
    const { received } = await attacked()
    const { a, b } = memoryChannels()
    const opening = openConnection([a], { role: 'listener' })
    const peer = new RawPeer(b)
    const hello = (await peer.hear('hello')).packet as Packet & { kind: 'hello' }
    await peer.say(0, 1, { ...hello, nonce: NONCE, offered: 0 })
    const attaching = received.attach(await opening)
    await peer.say(1, 2, { kind: 'dev-info', size: SIZE / 2, blockSize: BLOCK, name: 'd', schema: '' })
    await expect(attaching).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
  })
})

test('what a source begins that knows nothing of it is unknown', async () => {
  const { source } = await attacked()
  const mac = new Uint8Array(32)
  expect(await source.begin({ token: { type: 'proof', mac } })).toMatchObject({ state: 'unknown', epoch: 0, mac })
  expect(await source.begin()).toMatchObject({ state: 'receiving' })
})
