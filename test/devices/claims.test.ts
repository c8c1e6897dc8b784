import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { Checkpoints } from '../../src/devices/checkpoints.ts'
import { MemoryJournal } from '../../src/devices/disk-journal.ts'
import type { OrderedDestination } from '../../src/devices/ordered-destination.ts'
import { SendingFace } from '../../src/devices/sending-face.ts'
import type { HandOverRequests } from '../../src/protocol/hand-over-requests.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

const SIZE = 4 * BLOCK
const bytes = (value: number) => new Uint8Array(BLOCK).fill(value)

/** A face to a destination that claims to hold a block full of ones, and what it does. */
async function claimed(): Promise<{ face: SendingFace; did: string[] }> {
  const hasher = await createBlockHasher()
  const claims = new BlockDigests(SIZE, BLOCK, hasher)
  claims.note(1, bytes(1))
  const digests = new BlockDigests(SIZE, BLOCK, hasher)
  const did: string[] = []
  const to = {
    size: SIZE,
    preferredBytes: 0,
    writeAt: async (data: Uint8Array) => {
      did.push(`write ${data[0]}`)
      return data.length
    },
    zeroAt: async (_: number, length: number) => {
      did.push('zero')
      return length
    },
  } as unknown as OrderedDestination
  const requests = { keep: async () => void did.push('keep') } as unknown as HandOverRequests
  const checkpoints = new Checkpoints(new MemoryJournal(digests))
  return { face: new SendingFace({ to, requests, digests, claims, checkpoints }, BLOCK), did }
}

test('a claim is looked at once', async () => {
  const { face, did } = await claimed()
  for (const value of [2, 1]) await face.writeAt(bytes(value), BLOCK)
  expect(did).toEqual(['write 2', 'write 1'])
})

test('a claim of a block that is zeroed is not believed any more', async () => {
  const { face, did } = await claimed()
  await face.zeroAt(BLOCK, BLOCK)
  await face.writeAt(bytes(1), BLOCK)
  expect(did).toEqual(['zero', 'write 1'])
})

test('a new owner is sent what it claimed before, and is not told to keep it', async () => {
  const machines = new TwoMachines(seededRandom(8))
  await machines.bootSource()
  machines.bootDestination()
  const handOver = () => {
    throw new Error('not yet')
  }
  await machines.move(await machines.connect(), { handOver })
  machines.near.die()
  const journal = await machines.near.journal()
  await journal.forget(0, journal.digests.blockCount)
  await machines.bootSource()
  const connected = await machines.connect()
  const { rw } = connected.near
  const request = rw.request.bind(rw)
  const asked: string[] = []
  rw.request = (dev, packet, options) => {
    asked.push(packet.kind)
    return request(dev, packet, options)
  }
  const { source } = await machines.move(connected, { strategy: 'post-copy' })
  expect(asked).not.toContain('keep')
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  await machines.arriving.whole
  expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
})
