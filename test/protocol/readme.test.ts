import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { encodeFrame, GUARD_MARK } from '../../src/protocol/frame.ts'
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts'
import { COMMAND, isOwnCommand } from '../../src/protocol/packets/commands.ts'
import { decodePacket, encodePacket, type Packet } from '../../src/protocol/packets/packet.ts'
import { hex } from './packets/hex.ts'

const BYTES: ReadonlySet<string> = new Set([
  ...[
    'data',
    'segments',
    'nonce',
    'mac',
    'digest',
    'diskId',
    'migrationId',
    'key',
    'root',
    'pages',
    'tags',
    'digests',
    'maps',
  ],
])

const readme = readFileSync(new URL('../../src/protocol/README.md', import.meta.url), 'utf8')
const examples = [...readme.matchAll(/```hex\n# dev (\d+) id (\d+) (.*)\n([^`]*)```/g)].map((match) => ({
  dev: Number(match[1]),
  id: Number(match[2]),
  packet: packetOf(match[3]!),
  bytes: hex(match[4]!.replace(/#.*/g, '')),
}))

/** The JSON of an example: bytes are written as hex, block numbers as a list. */
function packetOf(json: string): Packet {
  return JSON.parse(json, (key, value: unknown) => {
    if (BYTES.has(key)) return hex(String(value))
    return key === 'blocks' ? Uint32Array.from(value as number[]) : value
  })
}

describe('"How the bytes travel" shows the bytes of', () => {
  test.each(examples)('$packet.kind', ({ dev, id, packet, bytes }) => {
    expect(Buffer.concat(encodeFrame({ dev, id }, encodePacket(packet))).toString('hex')).toBe(
      Buffer.from(bytes).toString('hex'),
    )
    const frames: unknown[] = []
    new FrameDecoder().push(bytes, (frame) => {
      frames.push({ dev: frame.dev, id: frame.id, packet: decodePacket(frame.payload) })
    })
    expect(frames).toEqual([{ dev, id, packet }])
  })

  test('a guarded frame and the mark before it', () => {
    const [, dev, id, json, text] = /```hex guarded\n# dev (\d+) id (\d+) (.*)\n([^`]*)```/.exec(readme)!
    const bytes = hex(text!.replace(/#.*/g, ''))
    const frame = encodeFrame({ dev: Number(dev), id: Number(id) }, encodePacket(packetOf(json!)), true)
    expect(Buffer.from(bytes).toString('hex')).toBe(Buffer.concat([GUARD_MARK, ...frame]).toString('hex'))
    const frames: unknown[] = []
    new FrameDecoder(undefined, undefined, { takesMark: true }).push(bytes, (one) => {
      frames.push({ dev: one.dev, id: one.id, packet: decodePacket(one.payload) })
    })
    expect(frames).toEqual([{ dev: Number(dev), id: Number(id), packet: packetOf(json!) }])
  })

  test('at least ten packets, all examples there are', () => {
    expect(examples.length).toBeGreaterThanOrEqual(10)
    expect(readme.split('```hex').length - 1).toBe(examples.length + 1)
  })

  test('each command of our own', () => {
    for (const command of Object.values(COMMAND)) {
      if (isOwnCommand(command)) expect(readme).toMatch(new RegExp(`\\| .*\\b${command.toString(16)}\\b.* \\|`))
    }
  })
})
