import { describe, expect, test } from 'vitest'
import { Migrator } from '../../src/migration/migrator.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import type { Dialect } from '../../src/protocol/protocol-rw.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { memoryChannels } from '../../src/transports/memory.ts'

const BLOCK_SIZE = 4096

async function connected(dialect: Dialect, secrets: readonly (Uint8Array | undefined)[] = []) {
  const { a, b } = memoryChannels()
  const [near, far] = await Promise.allSettled([
    openConnection([a], { dialect, role: 'dialer', ...(secrets[0] ? { secret: secrets[0] } : {}) }),
    openConnection([b], { dialect, role: 'listener', ...(secrets[1] ? { secret: secrets[1] } : {}) }),
  ])
  return { near, far }
}

async function bothEnds(dialect: Dialect) {
  const { near, far } = await connected(dialect)
  if (near.status === 'rejected') throw near.reason
  if (far.status === 'rejected') throw far.reason
  return { near: near.value, far: far.value }
}

describe.each(['silo', 'blockferry/1'] as const)('over a connection in dialect %s', (dialect) => {
  test.each([1, 4096, 4097, 1_000_001, 8 * 2 ** 20])('a disk of %i bytes arrives', async (size) => {
    const { near, far } = await bothEnds(dialect)
    const source = new MemoryStorage(size)
    await source.writeAt(new Uint8Array(Math.ceil(size / 2)).fill(7), Math.floor(size / 4))
    const destination = new MemoryStorage(size)
    const from = new FromProtocol(far.rw, 1, () => ({ provider: destination }))
    const to = new ToProtocol(near.rw, { dev: 1, size, blockSize: BLOCK_SIZE, name: 'disk' })
    await to.announce()
    const { remote } = createDirtyTracker(source, BLOCK_SIZE)
    const order = new AnyBlockOrder(Math.ceil(size / BLOCK_SIZE))
    order.addAll()
    const migrator = new Migrator(remote, to, order, { blockSize: BLOCK_SIZE })
    await migrator.migrate(order.numBlocks)
    await migrator.waitForCompletion()
    await to.flush()
    expect((await from.announced).name).toBe('disk')
    expect((await compareDisks(source, destination, BLOCK_SIZE)).bytes).toBe(0)
    await near.close()
    await far.rw.ended
  })

  test('a write that the destination refuses fails at the source', async () => {
    const { near, far } = await bothEnds(dialect)
    const full = new MemoryStorage(8192)
    full.writeAtSync = () => {
      throw new Error('no')
    }
    new FromProtocol(far.rw, 1, () => ({ provider: full }))
    const to = new ToProtocol(near.rw, { dev: 1, size: 8192, blockSize: BLOCK_SIZE, name: 'disk' })
    await to.announce()
    await expect(to.writeAt(new Uint8Array(4096), 0)).rejects.toMatchObject({ code: expect.stringMatching(/_FAILED$/) })
    await near.close()
  })

  test('what waits for an answer fails when the peer goes away', async () => {
    const { near, far } = await bothEnds(dialect)
    new FromProtocol(far.rw, 1, () => new Promise(() => {}))
    const to = new ToProtocol(near.rw, { dev: 1, size: 8192, blockSize: BLOCK_SIZE, name: 'disk' })
    await to.announce()
    const writing = to.writeAt(new Uint8Array(4096), 0)
    far.rw.abort(new Error('power cut'))
    await expect(writing).rejects.toMatchObject({ code: 'PEER_LOST' })
    await expect(to.writeAt(new Uint8Array(1), 0)).rejects.toMatchObject({ code: 'PEER_LOST' })
  })
})

describe('the shared secret', () => {
  const secret = new Uint8Array(16).fill(1)

  test('lets in who knows it', async () => {
    const { near, far } = await connected('blockferry/1', [secret, secret])
    expect([near.status, far.status]).toEqual(['fulfilled', 'fulfilled'])
  })

  test.each([
    ['another one', new Uint8Array(16).fill(2)],
    ['none', undefined],
  ])('keeps out who has %s', async (_, other) => {
    const { near, far } = await connected('blockferry/1', [secret, other])
    expect(near).toMatchObject({ status: 'rejected', reason: { code: 'UNAUTHORIZED' } })
    expect(far).toMatchObject({ status: 'rejected', reason: { code: 'UNAUTHORIZED' } })
  })
})
