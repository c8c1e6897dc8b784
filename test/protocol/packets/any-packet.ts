import fc from 'fast-check'
import type { Packet } from '../../../src/protocol/packets/packet.ts'
import { HASH_LOCATIONS } from '../../../src/protocol/packets/write-at-hash.ts'

const u8 = fc.integer({ min: 0, max: 0xff })
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const size = fc.integer({ min: 1, max: 0xffffffff })
const u53 = fc.maxSafeNat()
const length = fc.integer({ min: 0, max: 0x7fffffff })
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const data = fc.uint8Array({ maxLength: 40 })
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const blocks = fc.array(u32, { maxLength: 20 }).map((list) => Uint32Array.from(list))
const info = { kind: fc.constant('dev-info'), size: u53, blockSize: size, name: text, schema: text } as const
const write = fc.constant('write-at')

/** Any packet whose numbers fit their fields. */
export const anyPacket: fc.Arbitrary<Packet> = fc.oneof(
  fc.record({ kind: fc.constantFrom('read-at', 'need-at', 'dont-need-at'), offset: u53, length }),
  fc.record({ kind: fc.constant('read-at-response'), bytes: fc.constant(0), data }),
  fc.record({ kind: fc.constant('write-at-response'), bytes: u32 }),
  fc.record({
    kind: fc.constantFrom(
      ...(['read-at-response-error', 'write-at-response-error', 'event-response', 'hashes-response'] as const),
      ...(['dirty-list-response', 'remove-dev'] as const),
    ),
  }),
  fc.record({ kind: write, form: fc.constant('data'), offset: u53, data }),
  fc.record({
    kind: fc.constant('write-newer'),
    generation: size,
    write: fc.record({ kind: write, form: fc.constant('data'), offset: u53, data }),
  }),
  fc.record({ kind: write, form: fc.constant('rle'), offset: u53, tokens: data }),
  fc.record({ kind: write, form: fc.constant('gzip'), offset: u53, member: data }),
  fc.record({ kind: write, form: fc.constant('zeroes'), offset: u53, length: u53, segments: data }),
  fc.record({
    kind: write,
    form: fc.constant('hash'),
    location: fc.constantFrom(...HASH_LOCATIONS),
    offset: u53,
    length: u53,
    hash,
  }),
  fc.record({
    kind: write,
    form: fc.constant('you-already-have'),
    blockSize: fc.integer({ min: 1, max: 2 ** 40 }),
    blocks,
  }),
  fc.record({ kind: fc.constant('dirty-list'), blockSize: size, blocks }),
  fc.record(info),
  fc.array(fc.record(info), { maxLength: 5 }).map((devices): Packet => {
    return { kind: 'device-group-info', devices: devices.map((device, index) => ({ ...device, dev: index + 1 })) }
  }),
  fc.record({ kind: fc.constant('event'), type: fc.constantFrom('pre-lock', 'post-lock', 'pre-unlock', 'completed') }),
  fc.record({ kind: fc.constant('event'), type: fc.constant('custom'), customType: u8, payload: data }),
  fc.array(fc.tuple(u32, hash), { maxLength: 5 }).map((list): Packet => {
    const digests = Uint8Array.from(list.flatMap(([, digest]) => [...digest]))
    return { kind: 'hashes', blocks: Uint32Array.from(list, ([block]) => block), digests }
  }),
  fc.record({
    kind: fc.constant('write-at-with-map'),
    offset: u53,
    map: fc.array(fc.record({ id: u64, block: u53 }), { maxLength: 5 }),
    data,
  }),
  fc.array(u64, { maxLength: 9 }).map((ids): Packet => ({ kind: 'remove-from-map', ids: BigUint64Array.from(ids) })),
  fc.record({
    kind: fc.constant('alternate-sources'),
    sources: fc.array(fc.record({ offset: u53, length: u53, hash, location: text }), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('read-by-hash'), hash }),
  fc.record({ kind: fc.constant('read-by-hash-response'), data }),
  fc.record({ kind: fc.constant('read-by-hash-response-error'), error: text }),
)
