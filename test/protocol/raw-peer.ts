import type { Channel } from '../../src/protocol/channel.ts'
import { encodeFrame } from '../../src/protocol/frame.ts'
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts'
import { decodePacket, encodePacket, type Packet } from '../../src/protocol/packets/packet.ts'

/** A packet with its address, as it came. */
export interface HeardPacket {
  readonly dev: number
  readonly id: number
  readonly packet: Packet
}

/** A peer that says what a test wants, well-formed or not, and keeps all it hears. */
export class RawPeer {
  readonly heard: HeardPacket[] = []
  readonly ended: Promise<unknown>
  readonly #channel: Channel
  #wake: (() => void)[] = []

  constructor(channel: Channel) {
    this.#channel = channel
    const decoder = new FrameDecoder(undefined, undefined, { takesMark: true })
    this.ended = channel.ended
    channel.receive((slice) => {
      decoder.push(slice.slice(), ({ dev, id, payload }) => this.heard.push({ dev, id, packet: decodePacket(payload) }))
      for (const wake of this.#wake.splice(0)) wake()
    })
    void channel.ended.then(() => {
      for (const wake of this.#wake.splice(0)) wake()
    })
  }

  /** Sends packets, framed. */
  async say(dev: number, id: number, packet: Packet): Promise<void> {
    await this.bytes(...encodeFrame({ dev, id }, encodePacket(packet)))
  }

  /** Sends bytes as they are; the end of the connection is no failure of the test. */
  async bytes(...parts: Uint8Array[]): Promise<void> {
    await this.#channel.send(parts).catch(() => {})
  }

  /** The first packet of this kind, from `from` on; waits for it. */
  async hear<Kind extends Packet['kind']>(kind: Kind, from = 0): Promise<HeardPacket & { packet: { kind: Kind } }> {
    let ended = false
    void this.ended.then(() => {
      ended = true
    })
    for (;;) {
      const found = this.heard.slice(from).find(({ packet }) => packet.kind === kind)
      if (found) return found as HeardPacket & { packet: { kind: Kind } }
      if (ended)
        throw new Error(`the connection ended; heard ${this.heard.map(({ packet }) => packet.kind).join(', ')}`)
      await new Promise<void>((wake) => this.#wake.push(wake))
    }
  }

  close(): Promise<void> {
    return this.#channel.close()
  }
}
