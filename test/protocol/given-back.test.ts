import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/protocol/channel.ts'
import { encodeFrame } from '../../src/protocol/frame.ts'
import { REQUEST_BYTES } from '../../src/protocol/limits.ts'
import { encodePacket, type Packet } from '../../src/protocol/packets/packet.ts'
import { ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'

/** A channel whose other end is the test. */
class FakeChannel implements Channel {
  readonly kind = 'fake'
  readonly ended = new Promise<unknown>(() => {})
  readonly preferredBytes?: number
  /** Bytes of each send. */
  readonly sent: number[] = []
  readonly givenBack: Uint8Array[] = []
  hear!: (slice: Uint8Array) => Promise<void> | void

  constructor(preferredBytes?: number) {
    if (preferredBytes !== undefined) this.preferredBytes = preferredBytes
  }

  async send(parts: readonly Uint8Array[]): Promise<void> {
    this.sent.push(parts.reduce((bytes, part) => bytes + part.length, 0))
  }

  receive(handler: (slice: Uint8Array) => Promise<void> | void): void {
    this.hear = handler
  }

  giveBack(slice: Uint8Array): void {
    this.givenBack.push(slice)
  }

  async close(): Promise<void> {}
  abort(): void {}
}

const write: Packet = { kind: 'write-at', form: 'data', offset: 0, data: new Uint8Array(1000) }

function framed(...packets: Packet[]): Uint8Array {
  const frames = packets.flatMap((packet, index) => encodeFrame({ dev: 1, id: index + 1 }, encodePacket(packet)))
  return Uint8Array.from(Buffer.concat(frames))
}

/** A connection over it, whose requests take as long as the test wants. */
function connected() {
  const channel = new FakeChannel()
  const finish: (() => void)[] = []
  new ProtocolRW([channel], { dialect: 'blockferry/1' }).handle(1, () => new Promise((done) => finish.push(done)))
  return { channel, finish }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('a slice', () => {
  test('is given back when the one request in it has been handled', async () => {
    const { channel, finish } = connected()
    // In the middle of a longer buffer, as ports have them.
    const slice = Uint8Array.from([...framed(write), 0, 0]).subarray(0, -2)
    channel.hear(slice)
    await settled()
    expect(channel.givenBack).toEqual([])
    finish[0]!()
    await settled()
    expect(channel.givenBack).toEqual([slice])
  })

  test('with several requests is given back after the last of them', async () => {
    const { channel, finish } = connected()
    const slice = framed(write, write, write)
    channel.hear(slice)
    for (const done of finish.splice(0).toReversed()) {
      expect(channel.givenBack).toEqual([])
      done()
      await settled()
    }
    expect(channel.givenBack).toEqual([slice])
  })

  test('with parts of a request is given back at once, since they are copied', async () => {
    const { channel, finish } = connected()
    const slices = [framed(write).subarray(0, 500), framed(write).subarray(500)]
    for (const slice of slices) channel.hear(slice)
    expect(finish).toHaveLength(1)
    expect(channel.givenBack).toEqual(slices)
  })

  test('with a request and the beginning of another waits for the first', async () => {
    const { channel, finish } = connected()
    const slice = framed(write, write).subarray(0, -1)
    channel.hear(slice)
    expect(channel.givenBack).toEqual([])
    finish[0]!()
    await settled()
    expect(channel.givenBack).toEqual([slice])
  })

  test('with a request that is no write is not, since parts of it may be kept', async () => {
    const { channel, finish } = connected()
    channel.hear(framed(write, { kind: 'event', type: 'pre-lock' }))
    for (const done of finish) done()
    await settled()
    expect(channel.givenBack).toEqual([])
  })

  test('with an answer is not, since whoever asked may keep it', async () => {
    const channel = new FakeChannel()
    const rw = new ProtocolRW([channel], { dialect: 'blockferry/1', lastId: 2 ** 32 - 1 })
    const answer: Packet = { kind: 'read-at-response', bytes: 1, data: Uint8Array.of(7) }
    const asked = rw.request(1, { kind: 'read-at', offset: 0, length: 1 })
    await settled()
    channel.hear(framed(answer))
    expect(await asked).toEqual(answer)
    expect(channel.givenBack).toEqual([])
  })
})

test.each([
  ['of the usual size, where any is fine', undefined, REQUEST_BYTES],
  ['of the usual size, where smaller ones would do', 1000, REQUEST_BYTES],
  ['as large as the channel prefers', 2 ** 20, 2 ** 20],
])('writes are cut into requests %s', async (_, preferredBytes, requestBytes) => {
  const channel = new FakeChannel(preferredBytes)
  const rw = new ProtocolRW([channel], { dialect: 'blockferry/1' })
  const to = new ToProtocol(rw, { dev: 1, size: 2 ** 21, blockSize: 2 ** 16, name: 'disk' })
  to.writeAt(new Uint8Array(2 ** 21), 0).catch(() => {})
  await settled()
  expect(channel.sent[0]).toBe(requestBytes + 22)
  rw.abort(new Error('over'))
})
