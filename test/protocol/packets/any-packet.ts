import fc from 'fast-check'
import { LEAF_PAGES } from '../../../src/protocol/limits.ts'
import { ARRIVAL_STATES } from '../../../src/protocol/packets/begin.ts'
import type { Packet } from '../../../src/protocol/packets/packet.ts'
import { HASH_LOCATIONS } from '../../../src/protocol/packets/write-at-hash.ts'

const u8 = fc.integer({ min: 0, max: 0xff })
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const size = fc.integer({ min: 1, max: 0xffffffff })
const u53 = fc.maxSafeNat()
const length = fc.integer({ min: 0, max: 0x7fffffff })
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const data = fc.uint8Array({ maxLength: 40 })
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
const tag = fc.uint8Array({ minLength: 8, maxLength: 8 })
const id = fc.uint8Array({ minLength: 16, maxLength: 16 })
const root = fc.option(id, { nil: undefined })
const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const code = fc.stringMatching(/^[A-Z_]{0,20}$/)
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
    kind: fc.constant('write-checked'),
    generation: u32,
    offset: u53,
    tags: fc.array(tag, { maxLength: 4 }).map((list) => Uint8Array.from(list.flatMap((one) => [...one]))),
    data,
  }),
  fc.tuple(u32, u53, fc.array(id, { minLength: 1, maxLength: 4 }), fc.integer({ min: 0, max: 3 }), data).map(
    ([generation, offset, digests, bits, data]): Packet => ({
      kind: 'write-patch',
      generation,
      offset,
      digests: Uint8Array.from(digests.flatMap((one) => [...one])),
      maps: new Uint8Array(digests.length * bits).fill(3),
      data,
    }),
  ),
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
  fc.record({
    kind: fc.constant('begin'),
    isReleased: fc.boolean(),
    mayBeIncomplete: fc.boolean(),
    diskId: id,
    epoch: u53,
    migrationId: id,
    token: fc.oneof(
      fc.record({ type: fc.constant('key'), key: id }),
      fc.record({ type: fc.constant('proof'), mac: hash }),
    ),
  }),
  fc.record({
    kind: fc.constant('begin-response'),
    state: fc.constantFrom(...ARRIVAL_STATES),
    hasClaims: fc.boolean(),
    epoch: u53,
    mac: hash,
  }),
  fc.record({
    kind: fc.constant('read-digests'),
    level: fc.constantFrom('claims', 'leaves'),
    first: u32,
    count: fc.integer({ min: 1, max: LEAF_PAGES }),
  }),
  fc.record({
    kind: fc.constant('read-digests-response'),
    level: fc.constant('claims'),
    pages: fc.array(id, { maxLength: 5 }).map((list) => Uint8Array.from(list.flatMap((claim) => [...claim]))),
  }),
  fc.record({
    kind: fc.constant('keep'),
    ranges: fc.array(fc.record({ first: u32, count: size }), { maxLength: 9 }),
  }),
  fc.record({ kind: fc.constant('prepare'), epoch: u53, missingBlocks: u53, root }),
  fc.record({ kind: fc.constantFrom('prepare-response', 'complete'), root }),
  fc.record({ kind: fc.constantFrom('commit', 'cancel'), epoch: u53 }),
  fc.record({
    kind: fc.constant('hello'),
    version: u16,
    required: u32,
    offered: u32,
    largestPayload: u32,
    window: u32,
    hasSecret: fc.boolean(),
    nonce: id,
  }),
  fc.record({ kind: fc.constant('proof'), mac: hash }),
  fc.record({ kind: fc.constantFrom('farewell', 'failure-response'), code, message: text }),
  fc.record({
    kind: fc.constant('acks'),
    ranges: fc.array(fc.record({ firstId: u32, count: u32 }), { maxLength: 9 }),
  }),
  fc.record({ kind: fc.constant('root'), blockSize: u32, digest: id }),
  fc.record({ kind: fc.constant('root-response'), digest: id }),
  fc.record({ kind: fc.constant('padding'), bytes: fc.nat(100) }),
  fc.record({ kind: fc.constantFrom('flush', 'flush-response', 'ping', 'ping-response') }),
  fc.record({
    kind: fc.constantFrom('keep-response', 'commit-response', 'cancel-response', 'complete-response'),
  }),
)
