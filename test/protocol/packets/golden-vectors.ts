import { readFileSync } from 'node:fs'
import type { Packet } from '../../../src/protocol/packets/packet.ts'
import { encodeRle } from '../../../src/protocol/packets/rle-encoder.ts'
import { encodeZeroes } from '../../../src/protocol/packets/zeroes-encoder.ts'
import { hex } from './hex.ts'

/** One packet as Silo's encoder wrote it. */
export interface GoldenVector {
  readonly name: string
  readonly note?: string
  readonly fields: Fields
  readonly hex: string
}

/** What went into a packet; every packet has some of these. */
interface Fields {
  readonly kind: string
  readonly type: string
  readonly offset: string
  readonly length: number & string
  readonly bytes: number
  readonly data: string
  readonly hash: string
  readonly location: number
  readonly blockSize: number & string
  readonly blocks: readonly number[]
  readonly map: Readonly<Record<string, string>>
  readonly name: string
  readonly schema: string
  readonly size: string
  readonly devices: Readonly<Record<string, Fields>>
  readonly customType: number
  readonly payload: string
  readonly hashes: Readonly<Record<string, string>>
  readonly ids: readonly string[]
  readonly sources: readonly { offset: string; length: string; hash: string; location: string }[]
  readonly error: string
}

/** One frame of the recorded conversation. */
export interface RecordedFrame {
  readonly dir: 'source->destination' | 'destination->source'
  readonly dev: number
  readonly id: number
  readonly frame: string
}

const read = (name: string) => JSON.parse(readFileSync(new URL(`../../vectors/${name}`, import.meta.url), 'utf8'))

export const packetVectors: readonly GoldenVector[] = read('packets.json')

/** The recorded conversation: a disk of `size` bytes, SHA-256 of what the destination holds at the end, all frames in order. */
export const conversation: {
  readonly size: number
  readonly sha256: string
  readonly frames: readonly RecordedFrame[]
} = read('conversation.json')

/** A name for a test. */
export function titleOf({ name, note, fields }: GoldenVector): string {
  return [name, fields.kind ?? fields.type, note].filter((part) => part !== undefined).join(', ')
}

/** The data of a gzip vector, whose packet cannot be made from its fields. */
export function gzipData({ fields }: GoldenVector): Uint8Array | undefined {
  return fields.kind === 'gzip' ? hex(fields.data) : undefined
}

/** The packet that has the fields of a vector, compressed by our own encoders. */
export function packetOf({ name, fields }: GoldenVector): Packet {
  const range = () => ({ offset: Number(fields.offset), length: fields.length })
  switch (name) {
    case 'read-at':
    case 'need-at':
    case 'dont-need-at':
      return { kind: name, ...range() }
    case 'read-at-response':
      return { kind: name, bytes: fields.bytes, data: hex(fields.data) }
    case 'write-at-response':
      return { kind: name, bytes: fields.bytes }
    case 'read-at-response-error':
    case 'write-at-response-error':
    case 'dirty-list-response':
    case 'event-response':
    case 'hashes-response':
    case 'remove-dev':
      return { kind: name }
    case 'write-at':
      return writeAtOf(fields)
    case 'write-at-with-map': {
      const map = Object.entries(fields.map).map(([id, block]) => ({ id: BigInt(id), block: Number(block) }))
      return { kind: name, offset: Number(fields.offset), map, data: hex(fields.data) }
    }
    case 'dirty-list':
      return { kind: name, blockSize: fields.blockSize, blocks: Uint32Array.from(fields.blocks) }
    case 'dev-info':
      return devInfoOf(fields)
    case 'device-group-info': {
      const devices = Object.entries(fields.devices).map(([dev, info]) => ({ dev: Number(dev), ...devInfoOf(info) }))
      return { kind: name, devices }
    }
    case 'event':
      if (fields.type !== 'custom') return { kind: name, type: fields.type as 'completed' }
      return { kind: name, type: 'custom', customType: fields.customType, payload: hex(fields.payload) }
    case 'hashes': {
      const blocks = Uint32Array.from(Object.keys(fields.hashes), Number)
      return { kind: name, blocks, digests: hex(...Object.values(fields.hashes)) }
    }
    case 'remove-from-map':
      return { kind: name, ids: BigUint64Array.from(fields.ids, BigInt) }
    case 'alternate-sources': {
      const sources = fields.sources.map(({ offset, length, hash, location }) => {
        return { offset: Number(offset), length: Number(length), hash: hex(hash), location }
      })
      return { kind: name, sources }
    }
    case 'read-by-hash':
      return { kind: name, hash: hex(fields.hash) }
    case 'read-by-hash-response':
      return { kind: name, data: hex(fields.data) }
    case 'read-by-hash-response-error':
      return { kind: name, error: fields.error }
    default:
      throw new Error(`no packet for the vector ${name}`)
  }
}

function devInfoOf({ size, blockSize, name, schema }: Fields) {
  return { kind: 'dev-info', size: Number(size), blockSize, name, schema } as const
}

function writeAtOf(fields: Fields): Packet {
  const offset = Number(fields.offset)
  switch (fields.kind) {
    case 'data':
      return { kind: 'write-at', form: 'data', offset, data: hex(fields.data) }
    case 'rle':
      return { kind: 'write-at', form: 'rle', offset, tokens: encodeRle(hex(fields.data)) }
    case 'zeroes': {
      const data = hex(fields.data)
      return { kind: 'write-at', form: 'zeroes', offset, length: data.length, segments: encodeZeroes(data) }
    }
    case 'hash': {
      const location = fields.location === 1 ? 's3' : 'base-image'
      const hash = hex(fields.hash)
      return { kind: 'write-at', form: 'hash', location, offset, length: Number(fields.length), hash }
    }
    case 'you-already-have': {
      const blocks = Uint32Array.from(fields.blocks)
      return { kind: 'write-at', form: 'you-already-have', blockSize: Number(fields.blockSize), blocks }
    }
    default:
      throw new Error(`no packet for the kind ${fields.kind}`)
  }
}
