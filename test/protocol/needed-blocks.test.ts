import { expect, test } from 'vitest'
import { NEED_AT_BLOCKS, NEEDED_BLOCKS } from '../../src/protocol/limits.ts'
import { ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { RawPeer } from './raw-peer.ts'

const BLOCK = 512

/** A source with a lane for what is urgent and one for all else. */
function source() {
  const [first, last] = [memoryChannels(), memoryChannels()]
  const rw = new ProtocolRW([first.a, last.a], { dialect: 'silo' })
  const to = new ToProtocol(rw, { dev: 1, size: 2 ** 40, blockSize: BLOCK, name: 'd' })
  const lanes = { urgent: new RawPeer(first.b), bulk: new RawPeer(last.b) }
  /** Which lane a block takes. */
  const laneOf = async (block: number) => {
    const before = { urgent: lanes.urgent.heard.length, bulk: lanes.bulk.heard.length }
    const writing = to.writeAt(new Uint8Array(BLOCK), block * BLOCK)
    const heard = Promise.race(
      (['urgent', 'bulk'] as const).map(async (lane) => {
        const { id } = await lanes[lane].hear('write-at', before[lane])
        await lanes[lane].say(1, id, { kind: 'write-at-response', bytes: BLOCK })
        return lane
      }),
    )
    await writing
    return heard
  }
  const say = (kind: 'need-at' | 'dont-need-at', block: number, count: number) =>
    lanes.urgent.say(1, 1, { kind, offset: block * BLOCK, length: count * BLOCK })
  return { laneOf, say }
}

test('a block that is needed is urgent, once, unless it is not needed any more', async () => {
  const { laneOf, say } = source()
  await say('need-at', 5, 3)
  await say('dont-need-at', 6, 1)
  await new Promise((resolve) => setImmediate(resolve))
  expect(await laneOf(5)).toBe('urgent')
  expect(await laneOf(5)).toBe('bulk')
  expect(await laneOf(6)).toBe('bulk')
  expect(await laneOf(7)).toBe('urgent')
})

test('needs that were never met do not keep later ones from being urgent', async () => {
  const { laneOf, say } = source()
  for (let block = 0; block < NEEDED_BLOCKS; block += NEED_AT_BLOCKS) await say('need-at', block, NEED_AT_BLOCKS)
  await say('need-at', 10 * NEEDED_BLOCKS, 2)
  await new Promise((resolve) => setImmediate(resolve))
  expect(await laneOf(10 * NEEDED_BLOCKS + 1)).toBe('urgent')
  // Not more than there is room for: the oldest have made it.
  expect(await laneOf(1)).toBe('bulk')
  expect(await laneOf(2)).toBe('urgent')
})
