import type { Packet } from '../../../src/protocol/packets/packet.ts'

const id = (byte: number, bytes = 16) => new Uint8Array(bytes).fill(byte)
const device = { kind: 'dev-info', size: 2 ** 40, blockSize: 65536, name: 'disk0', schema: 'ü' } as const
const data = Uint8Array.of(1, 2, 3)

/** One of each packet that Silo has no golden bytes for, in all its forms. */
export const ourPackets: readonly Packet[] = [
  { kind: 'acks', ranges: [{ firstId: 1, count: 2 }] },
  {
    kind: 'begin',
    isReleased: false,
    mayBeIncomplete: true,
    diskId: id(1),
    epoch: 7,
    migrationId: id(2),
    token: { type: 'key', key: id(3) },
  },
  {
    kind: 'begin',
    isReleased: true,
    mayBeIncomplete: false,
    diskId: id(1),
    epoch: 7,
    migrationId: id(2),
    token: { type: 'proof', mac: id(4, 32) },
  },
  { kind: 'begin-response', state: 'prepared', hasClaims: true, epoch: 8, mac: id(5, 32) },
  { kind: 'cancel', epoch: 9 },
  { kind: 'cancel-response' },
  { kind: 'commit', epoch: 9 },
  { kind: 'commit-response' },
  { kind: 'complete', root: id(6) },
  { kind: 'complete', root: undefined },
  { kind: 'complete-response' },
  {
    kind: 'device-group-info',
    devices: [
      { ...device, dev: 1 },
      { ...device, dev: 2 },
    ],
  },
  { kind: 'failure-response', code: 'LOCKED', message: 'somebody else has it' },
  { kind: 'farewell', code: 'CLOSED', message: '' },
  { kind: 'flush' },
  { kind: 'flush-response' },
  {
    kind: 'keep',
    ranges: [
      { first: 1, count: 2 },
      { first: 5, count: 1 },
    ],
  },
  { kind: 'keep-response' },
  { kind: 'padding', bytes: 5 },
  { kind: 'ping' },
  { kind: 'ping-response' },
  { kind: 'prepare', epoch: 3, missingBlocks: 4, root: id(7) },
  { kind: 'prepare', epoch: 3, missingBlocks: 4, root: undefined },
  { kind: 'prepare-response', root: id(8) },
  { kind: 'proof', mac: id(9, 32) },
  { kind: 'read-digests', level: 'claims', first: 1, count: 2 },
  { kind: 'read-digests', level: 'leaves', first: 1, count: 1 },
  { kind: 'read-digests-response', level: 'claims', pages: id(10, 32) },
  { kind: 'root', blockSize: 65536, digest: id(11) },
  { kind: 'root-response', digest: id(12) },
  {
    kind: 'hello',
    version: 1,
    required: 0,
    offered: 3,
    largestPayload: 2 ** 20,
    window: 2 ** 24,
    hasSecret: true,
    nonce: id(13),
  },
  { kind: 'write-checked', generation: 0, offset: 4096, tags: id(14, 8), data },
  { kind: 'write-patch', generation: 2, offset: 65536, digests: id(15), maps: Uint8Array.of(1, 128), data },
  { kind: 'write-newer', generation: 2, write: { kind: 'write-at', form: 'data', offset: 4096, data } },
  {
    kind: 'write-newer',
    generation: 2,
    write: { kind: 'write-at', form: 'zeroes', offset: 0, length: 9, segments: Uint8Array.of(2, 4, 1, 2) },
  },
]
