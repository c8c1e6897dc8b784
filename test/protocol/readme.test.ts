import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { encodeFrame, FRAME_HEADER_BYTES, GUARD_MARK } from '../../src/protocol/frame.ts'
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts'
import { COMMAND } from '../../src/protocol/packets/commands.ts'
import { decodePacket, encodePacket, type Packet } from '../../src/protocol/packets/packet.ts'
import { WRITE_FORM } from '../../src/protocol/packets/write-at-form.ts'
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
    'hash',
    'tokens',
    'member',
    'payload',
  ],
])

const readme = readFileSync(new URL('../../src/protocol/README.md', import.meta.url), 'utf8')
const examples = [...readme.matchAll(/```hex\n# dev (\d+) id (\d+) (.*)\n([^`]*)```/g)].map((match) => ({
  dev: Number(match[1]),
  id: Number(match[2]),
  packet: packetOf(match[3]!),
  bytes: hex(match[4]!.replace(/#.*/g, '')),
}))

/** The JSON of an example: bytes are written as hex, block numbers as a list, numbers of 64 bits as text. */
function packetOf(json: string): Packet {
  return JSON.parse(json, (key, value: unknown) => {
    if (BYTES.has(key)) return hex(String(value))
    if (key === 'ids') return BigUint64Array.from((value as string[]).map(BigInt))
    if (key === 'id') return BigInt(value as string)
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

  test('each request there is, each form of a write, and each answer that says more than its command', () => {
    expect(readme.split('```hex').length - 1).toBe(examples.length + 1)
    const shown = new Set(examples.map(({ bytes }) => bytes[FRAME_HEADER_BYTES]))
    const requests = Object.values(COMMAND).filter((command) => (command & 0x80) === 0)
    expect(requests.filter((command) => !shown.has(command))).toEqual([])
    const writes = examples.filter(({ packet }) => packet.kind === 'write-at')
    const forms = new Set(writes.map(({ bytes }) => bytes[FRAME_HEADER_BYTES + 1]))
    expect(forms).toEqual(new Set(Object.values(WRITE_FORM)))
    const answers = Object.values(COMMAND).filter((command) => command & 0x80 && !shown.has(command))
    for (const command of answers) expect(decodePacket(Uint8Array.of(command)).kind).toMatch(/-response$/)
  })

  test('each command in its table', () => {
    for (const command of Object.values(COMMAND)) {
      const digits = command.toString(16).padStart(2, '0')
      expect(readme).toMatch(new RegExp(`^\\| .*\\b${digits}\\b.* \\|$`, 'm'))
    }
  })
})
