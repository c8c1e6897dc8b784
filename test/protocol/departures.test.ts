import { expect, test } from 'vitest'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import { ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { memoryChannels } from '../../src/transports/memory.ts'

const SIZE = 2 ** 23

async function remoteDisk() {
  const { a, b } = memoryChannels()
  const [rw, far] = [new ProtocolRW([a], { dialect: 'blockferry/1' }), new ProtocolRW([b], { dialect: 'blockferry/1' })]
  new FromProtocol(far, 1, () => ({ provider: new MemoryStorage(SIZE) }))
  const to = new ToProtocol(rw, { dev: 1, size: SIZE, blockSize: 65536, name: 'disk' })
  await to.announce()
  return { rw, to }
}

test('a write tells when it need not wait any more, and whether it had to', async () => {
  const { rw, to } = await remoteDisk()
  rw.limitWindow(2 ** 18)
  const told: string[] = []
  const write = (name: string, offset: number) =>
    to.writeAt(new Uint8Array(65536 * 3), offset, { departs: (waited) => told.push(`${name} ${waited}`) })
  const first = write('first', 0)
  const second = write('second', 2 ** 20)
  expect(told).toEqual(['first false'])
  await Promise.all([first, second])
  expect(told).toEqual(['first false', 'second true'])
  await write('third', 2 ** 21)
  expect(told.at(-1)).toBe('third false')
  await rw.close()
})

test('a write in several parts tells when the last one has left, once', async () => {
  const { rw, to } = await remoteDisk()
  rw.limitWindow(2 ** 19)
  const told: boolean[] = []
  const writing = to.writeAt(new Uint8Array(2 ** 22), 0, { departs: (waited) => told.push(waited) })
  expect(told).toEqual([])
  await writing
  expect(told).toEqual([true])
  await rw.close()
})

test('runs are as long as what the channel takes at once', async () => {
  const { rw, to } = await remoteDisk()
  expect(to.preferredBytes).toBe(rw.preferredBytes)
  await rw.close()
})
