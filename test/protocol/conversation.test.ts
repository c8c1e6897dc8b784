import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Bitfield } from '../../src/bitfield/bitfield.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import { decodePacket, type Packet } from '../../src/protocol/packets/packet.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { memoryChannels } from '../../src/transports/memory.ts'

interface RecordedFrame {
  readonly dir: 'source->destination' | 'destination->source'
  readonly frame: string
}

/** A migration between two ends of Silo v0.2.21, see `test/vectors/README.md`. */
const recorded: {
  size: number
  blockSize: number
  dev: number
  name: string
  sha256: string
  frames: RecordedFrame[]
} = JSON.parse(readFileSync(new URL('../vectors/conversation.json', import.meta.url), 'utf8'))
const { size, blockSize, dev, name } = recorded

/** Plays one side of the recording: sends its frames, and expects the others byte for byte, in the order recorded. */
function player(channel: Channel, side: RecordedFrame['dir']) {
  let heard = ''
  let wake = () => {}
  channel.receive((slice) => {
    heard += Buffer.from(slice).toString('hex')
    wake()
  })
  return async () => {
    for (const { dir, frame } of recorded.frames) {
      if (dir === side) await channel.send([Buffer.from(frame, 'hex')])
      else {
        while (heard.length < frame.length) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        expect(heard.slice(0, frame.length)).toBe(frame)
        heard = heard.slice(frame.length)
      }
    }
    return heard
  }
}

test('a recorded Silo source is given the recorded answers, and leaves the recorded disk', async () => {
  const { a, b } = memoryChannels()
  const { rw } = await openConnection([a], { role: 'listener', dialect: 'silo' })
  const disk = new MemoryStorage(size)
  const seen: unknown[] = []
  const from = new FromProtocol(rw, dev, () => ({
    provider: disk,
    invalidate: (blocks) => void seen.push([...blocks]),
    event: (event) => void seen.push(event.type),
    hashes: (blocks) => void seen.push(blocks.length),
  }))
  void from.announced.then(() => {
    from.needAt(0xc00, 1024)
    from.dontNeedAt(0x1000, 1024)
  })
  expect(await player(b, 'source->destination')()).toBe('')
  const content = new Uint8Array(size)
  await disk.readAt(content, 0)
  expect(createHash('sha256').update(content).digest('hex')).toBe(recorded.sha256)
  expect(await from.announced).toMatchObject({ size, blockSize, name })
  expect(seen).toEqual(['pre-lock', [1], 6, 'custom', 'completed'])
})

test('a recorded Silo destination hears the recorded source', async () => {
  const { a, b } = memoryChannels()
  const { rw } = await openConnection([a], { role: 'dialer', dialect: 'silo' })
  const asked: string[] = []
  const to = new ToProtocol(rw, {
    dev,
    size,
    blockSize,
    name,
    needAt: (offset, length) => void asked.push(`need ${offset} ${length}`),
    dontNeedAt: (offset, length) => void asked.push(`don't ${offset} ${length}`),
  })
  const playing = player(b, 'destination->source')()
  await to.announce()
  const packets = recorded.frames
    .filter(({ dir }) => dir === 'source->destination')
    .map(({ frame }) => decodePacket(Buffer.from(frame.slice(24), 'hex')))
  for (const packet of packets.slice(1)) await sayAgain(packet)
  expect(await playing).toBe('')
  expect(asked).toEqual(['need 3072 1024', "don't 4096 1024"])

  /** Says a recorded packet by the member that is there for it. */
  async function sayAgain(packet: Packet): Promise<void> {
    if (packet.kind === 'write-at' && packet.form === 'data') await to.writeAt(packet.data, packet.offset)
    else if (packet.kind === 'event') await to.event(packet)
    else if (packet.kind === 'read-at') {
      const target = new Uint8Array(packet.length)
      await to.readAt(target, packet.offset)
      expect(target.some((byte) => byte !== 0)).toBe(true)
    } else if (packet.kind === 'dirty-list') {
      const field = new Bitfield(Math.ceil(size / blockSize))
      for (const block of packet.blocks) field.set(block)
      await to.dirtyList(field)
      field.free()
    } else await rw.request(dev, packet)
  }
})
