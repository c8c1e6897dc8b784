import { describe, expect, test } from 'vitest'
import { CLOSE_MS, FIRST_WINDOW_BYTES, REQUEST_BYTES } from '../../src/protocol/limits.ts'
import type { Packet } from '../../src/protocol/packets/packet.ts'
import { ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { RawPeer } from './raw-peer.ts'

const read: Packet = { kind: 'read-at', offset: 0, length: 1 }

/** Everything that can happen without a timer. */
const settled = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))

/** What each of these has come to so far: a code, or `pending`. */
async function outcomes(promises: readonly Promise<unknown>[]): Promise<string[]> {
  const codes = promises.map(() => 'pending')
  for (const [index, promise] of promises.entries()) {
    promise.then(
      () => (codes[index] = 'done'),
      (error: { code: string }) => (codes[index] = error.code),
    )
  }
  await settled()
  return [...codes]
}

/** A channel nobody reads, and writes that all but fill the first window. */
function stuck() {
  const clock = new VirtualClock({ automatic: false })
  const { a, b } = memoryChannels({ clock })
  const rw = new ProtocolRW([a], { dialect: 'silo', clock })
  const stop = new AbortController()
  const count = FIRST_WINDOW_BYTES / REQUEST_BYTES - 1
  const buffers = Array.from({ length: count }, () => new Uint8Array(REQUEST_BYTES).fill(1))
  const writes = buffers.map((data, index) =>
    rw.request(1, { kind: 'write-at', form: 'data', offset: index, data }, { signal: stop.signal }),
  )
  void outcomes(writes)
  return { clock, rw, b, stop, buffers, writes }
}

describe('requests that are aborted while a peer takes nothing', () => {
  test('end at once, but for the one that the channel is reading', async () => {
    const { stop, writes } = stuck()
    await settled()
    stop.abort()
    const ended = await outcomes(writes)
    expect(ended.filter((code) => code === 'ABORTED')).toHaveLength(writes.length - 1)
    expect(ended.filter((code) => code === 'pending')).toHaveLength(1)
  })

  test('are never sent, so that their data may be used again', async () => {
    const { stop, writes, buffers, b } = stuck()
    await settled()
    stop.abort()
    const ended = await outcomes(writes)
    for (const [index, code] of ended.entries()) if (code === 'ABORTED') buffers[index]!.fill(2)
    const peer = new RawPeer(b)
    expect(await outcomes(writes)).toEqual(writes.map(() => 'ABORTED'))
    const held = ended.indexOf('pending')
    expect(peer.heard).toHaveLength(held + 1)
    for (const { packet } of peer.heard) {
      expect(packet.kind === 'write-at' && packet.form === 'data' && packet.data.every((byte) => byte === 1)).toBe(true)
    }
  })

  test('end the connection when the channel does not let go of the last one', async () => {
    const { clock, rw, stop, writes } = stuck()
    await settled()
    stop.abort()
    await clock.advance(CLOSE_MS - 1)
    expect((await outcomes(writes)).filter((code) => code === 'pending')).toHaveLength(1)
    await clock.advance(1)
    expect(await outcomes(writes)).toEqual(writes.map(() => 'ABORTED'))
    expect(await rw.ended).toMatchObject({ code: 'PEER_LOST' })
  })

  test('leave no timer behind when the channel goes on', async () => {
    const { clock, rw, stop, writes, b } = stuck()
    await settled()
    stop.abort()
    await settled()
    expect(clock.sleepers).toBe(1)
    new RawPeer(b)
    await outcomes(writes)
    expect(clock.sleepers).toBe(0)
    await clock.advance(CLOSE_MS)
    expect(await Promise.race([rw.ended, 'open'])).toBe('open')
  })

  test('end at once where nothing is borrowed', async () => {
    const { rw, stop } = stuck()
    await settled()
    const asked = [
      rw.request(1, read, { signal: stop.signal }),
      rw.request(1, read, { signal: stop.signal, urgent: true }),
      rw.post(1, { kind: 'need-at', offset: 0, length: 1 }, { signal: stop.signal, urgent: true }),
    ]
    void outcomes(asked)
    await settled()
    stop.abort()
    expect(await outcomes(asked)).toEqual(['ABORTED', 'ABORTED', 'ABORTED'])
  })

  test('also those that had just got their credit', async () => {
    const { a } = memoryChannels()
    const rw = new ProtocolRW([a], { dialect: 'silo' })
    rw.limitWindow(1)
    const first = new AbortController()
    const second = new AbortController()
    const asked = [
      rw.request(1, read, { signal: first.signal }),
      rw.request(1, read, { signal: second.signal, departs: () => second.abort() }),
    ]
    void outcomes(asked)
    await settled()
    first.abort()
    expect(await outcomes(asked)).toEqual(['ABORTED', 'ABORTED'])
  })
})

test('many requests under one signal do not look like a leak', async () => {
  const warnings: Error[] = []
  const warned = (warning: Error) => void warnings.push(warning)
  process.on('warning', warned)
  try {
    const { a, b } = memoryChannels()
    const rw = new ProtocolRW([a], { dialect: 'silo' })
    const peer = new RawPeer(b)
    const stop = new AbortController()
    // Half of them wait for an answer, and the rest for credit.
    rw.limitWindow(20 * 13)
    const asked = Array.from({ length: 40 }, () => rw.request(1, read, { signal: stop.signal }))
    await outcomes(asked)
    expect(peer.heard).toHaveLength(20)
    stop.abort()
    expect(await outcomes(asked)).toEqual(asked.map(() => 'ABORTED'))
    expect(warnings).toEqual([])
  } finally {
    process.off('warning', warned)
  }
})
