import { StorageError } from '../../errors/storage-error.ts'
import { type Acks, decodeAcks, encodeAcks } from './acks.ts'
import { type AlternateSources, decodeAlternateSources, encodeAlternateSources } from './alternate-sources.ts'
import {
  type Begin,
  type BeginResponse,
  decodeBegin,
  decodeBeginResponse,
  encodeBegin,
  encodeBeginResponse,
} from './begin.ts'
import {
  type Cancel,
  type CancelResponse,
  decodeCancel,
  decodeCancelResponse,
  encodeCancel,
  encodeCancelResponse,
} from './cancel.ts'
import { COMMAND } from './commands.ts'
import {
  type Commit,
  type CommitResponse,
  decodeCommit,
  decodeCommitResponse,
  encodeCommit,
  encodeCommitResponse,
} from './commit.ts'
import {
  type Complete,
  type CompleteResponse,
  decodeComplete,
  decodeCompleteResponse,
  encodeComplete,
  encodeCompleteResponse,
} from './complete.ts'
import { type DevInfo, decodeDevInfo, encodeDevInfo } from './dev-info.ts'
import { type DeviceGroupInfo, decodeDeviceGroupInfo, encodeDeviceGroupInfo } from './device-group-info.ts'
import {
  type DirtyList,
  type DirtyListResponse,
  decodeDirtyList,
  decodeDirtyListResponse,
  encodeDirtyList,
  encodeDirtyListResponse,
} from './dirty-list.ts'
import { type DontNeedAt, decodeDontNeedAt, encodeDontNeedAt } from './dont-need-at.ts'
import type { EncodedPacket } from './encoded-packet.ts'
import {
  decodeEvent,
  decodeEventResponse,
  type Event,
  type EventResponse,
  encodeEvent,
  encodeEventResponse,
} from './event.ts'
import {
  decodeFailureResponse,
  decodeFarewell,
  encodeFailureResponse,
  encodeFarewell,
  type FailureResponse,
  type Farewell,
} from './failure.ts'
import {
  decodeFlush,
  decodeFlushResponse,
  encodeFlush,
  encodeFlushResponse,
  type Flush,
  type FlushResponse,
} from './flush.ts'
import {
  decodeHashes,
  decodeHashesResponse,
  encodeHashes,
  encodeHashesResponse,
  type Hashes,
  type HashesResponse,
} from './hashes.ts'
import { decodeHello, encodeHello, type Hello } from './hello.ts'
import { decodeKeep, decodeKeepResponse, encodeKeep, encodeKeepResponse, type Keep, type KeepResponse } from './keep.ts'
import { decodeNeedAt, encodeNeedAt, type NeedAt } from './need-at.ts'
import { decodePadding, encodePadding, type Padding } from './padding.ts'
import { decodePing, decodePingResponse, encodePing, encodePingResponse, type Ping, type PingResponse } from './ping.ts'
import {
  decodePrepare,
  decodePrepareResponse,
  encodePrepare,
  encodePrepareResponse,
  type Prepare,
  type PrepareResponse,
} from './prepare.ts'
import { decodeProof, encodeProof, type Proof } from './proof.ts'
import { decodeReadAt, encodeReadAt, type ReadAt } from './read-at.ts'
import {
  decodeReadAtResponse,
  decodeReadAtResponseError,
  encodeReadAtResponse,
  encodeReadAtResponseError,
  type ReadAtResponse,
  type ReadAtResponseError,
} from './read-at-response.ts'
import { decodeReadByHash, encodeReadByHash, type ReadByHash } from './read-by-hash.ts'
import {
  decodeReadByHashResponse,
  decodeReadByHashResponseError,
  encodeReadByHashResponse,
  encodeReadByHashResponseError,
  type ReadByHashResponse,
  type ReadByHashResponseError,
} from './read-by-hash-response.ts'
import {
  decodeReadDigests,
  decodeReadDigestsResponse,
  encodeReadDigests,
  encodeReadDigestsResponse,
  type ReadDigests,
  type ReadDigestsResponse,
} from './read-digests.ts'
import { decodeRemoveDev, encodeRemoveDev, type RemoveDev } from './remove-dev.ts'
import { decodeRemoveFromMap, encodeRemoveFromMap, type RemoveFromMap } from './remove-from-map.ts'
import { decodeRoot, decodeRootResponse, encodeRoot, encodeRootResponse, type Root, type RootResponse } from './root.ts'
import { decodeWriteAt, encodeWriteAt, type WriteAt } from './write-at.ts'
import {
  decodeWriteAtResponse,
  decodeWriteAtResponseError,
  encodeWriteAtResponse,
  encodeWriteAtResponseError,
  type WriteAtResponse,
  type WriteAtResponseError,
} from './write-at-response.ts'
import { decodeWriteAtWithMap, encodeWriteAtWithMap, type WriteAtWithMap } from './write-at-with-map.ts'
import { decodeWriteChecked, encodeWriteChecked, type WriteChecked } from './write-checked.ts'
import { decodeWriteNewer, encodeWriteNewer, type WriteNewer } from './write-newer.ts'
import { decodeWritePatch, encodeWritePatch, type WritePatch } from './write-patch.ts'

/** What is asked or told. */
export type RequestPacket =
  | ReadAt
  | WriteAt
  | NeedAt
  | DontNeedAt
  | DirtyList
  | DevInfo
  | Event
  | Hashes
  | WriteAtWithMap
  | RemoveDev
  | RemoveFromMap
  | AlternateSources
  | DeviceGroupInfo
  | ReadByHash
  | Hello
  | Proof
  | Farewell
  | Flush
  | Acks
  | Root
  | WriteNewer
  | WriteChecked
  | WritePatch
  | Begin
  | ReadDigests
  | Keep
  | Prepare
  | Commit
  | Cancel
  | Complete
  | Ping
  | Padding

/** What is answered. */
export type ResponsePacket =
  | ReadAtResponse
  | ReadAtResponseError
  | WriteAtResponse
  | WriteAtResponseError
  | EventResponse
  | HashesResponse
  | DirtyListResponse
  | ReadByHashResponse
  | ReadByHashResponseError
  | FailureResponse
  | FlushResponse
  | RootResponse
  | BeginResponse
  | ReadDigestsResponse
  | KeepResponse
  | PrepareResponse
  | CommitResponse
  | CancelResponse
  | CompleteResponse
  | PingResponse

/** Everything that a peer says, told apart by `kind`. */
export type Packet = RequestPacket | ResponsePacket

const DECODERS: { readonly [Command in (typeof COMMAND)[keyof typeof COMMAND]]: (payload: Uint8Array) => Packet } = {
  [COMMAND.readAt]: decodeReadAt,
  [COMMAND.writeAt]: decodeWriteAt,
  [COMMAND.needAt]: decodeNeedAt,
  [COMMAND.dontNeedAt]: decodeDontNeedAt,
  [COMMAND.dirtyList]: decodeDirtyList,
  [COMMAND.devInfo]: decodeDevInfo,
  [COMMAND.event]: decodeEvent,
  [COMMAND.hashes]: decodeHashes,
  [COMMAND.writeAtWithMap]: decodeWriteAtWithMap,
  [COMMAND.removeDev]: decodeRemoveDev,
  [COMMAND.removeFromMap]: decodeRemoveFromMap,
  [COMMAND.alternateSources]: decodeAlternateSources,
  [COMMAND.deviceGroupInfo]: decodeDeviceGroupInfo,
  [COMMAND.readByHash]: decodeReadByHash,
  [COMMAND.readAtResponse]: decodeReadAtResponse,
  [COMMAND.readAtResponseError]: decodeReadAtResponseError,
  [COMMAND.writeAtResponse]: decodeWriteAtResponse,
  [COMMAND.writeAtResponseError]: decodeWriteAtResponseError,
  [COMMAND.eventResponse]: decodeEventResponse,
  [COMMAND.hashesResponse]: decodeHashesResponse,
  [COMMAND.dirtyListResponse]: decodeDirtyListResponse,
  [COMMAND.readByHashResponse]: decodeReadByHashResponse,
  [COMMAND.readByHashResponseError]: decodeReadByHashResponseError,
  [COMMAND.hello]: decodeHello,
  [COMMAND.proof]: decodeProof,
  [COMMAND.farewell]: decodeFarewell,
  [COMMAND.flush]: decodeFlush,
  [COMMAND.acks]: decodeAcks,
  [COMMAND.root]: decodeRoot,
  [COMMAND.writeNewer]: decodeWriteNewer,
  [COMMAND.writeChecked]: decodeWriteChecked,
  [COMMAND.writePatch]: decodeWritePatch,
  [COMMAND.begin]: decodeBegin,
  [COMMAND.beginResponse]: decodeBeginResponse,
  [COMMAND.readDigests]: decodeReadDigests,
  [COMMAND.readDigestsResponse]: decodeReadDigestsResponse,
  [COMMAND.keep]: decodeKeep,
  [COMMAND.keepResponse]: decodeKeepResponse,
  [COMMAND.prepare]: decodePrepare,
  [COMMAND.prepareResponse]: decodePrepareResponse,
  [COMMAND.commit]: decodeCommit,
  [COMMAND.commitResponse]: decodeCommitResponse,
  [COMMAND.cancel]: decodeCancel,
  [COMMAND.cancelResponse]: decodeCancelResponse,
  [COMMAND.complete]: decodeComplete,
  [COMMAND.completeResponse]: decodeCompleteResponse,
  [COMMAND.ping]: decodePing,
  [COMMAND.padding]: decodePadding,
  [COMMAND.failureResponse]: decodeFailureResponse,
  [COMMAND.flushResponse]: decodeFlushResponse,
  [COMMAND.rootResponse]: decodeRootResponse,
  [COMMAND.pingResponse]: decodePingResponse,
}

const ENCODERS: { readonly [Kind in Packet['kind']]: (packet: Extract<Packet, { kind: Kind }>) => EncodedPacket } = {
  'read-at': encodeReadAt,
  'write-at': encodeWriteAt,
  'need-at': encodeNeedAt,
  'dont-need-at': encodeDontNeedAt,
  'dirty-list': encodeDirtyList,
  'dev-info': encodeDevInfo,
  event: encodeEvent,
  hashes: encodeHashes,
  'write-at-with-map': encodeWriteAtWithMap,
  'remove-dev': encodeRemoveDev,
  'remove-from-map': encodeRemoveFromMap,
  'alternate-sources': encodeAlternateSources,
  'device-group-info': encodeDeviceGroupInfo,
  'read-by-hash': encodeReadByHash,
  'read-at-response': encodeReadAtResponse,
  'read-at-response-error': encodeReadAtResponseError,
  'write-at-response': encodeWriteAtResponse,
  'write-at-response-error': encodeWriteAtResponseError,
  'event-response': encodeEventResponse,
  'hashes-response': encodeHashesResponse,
  'dirty-list-response': encodeDirtyListResponse,
  'read-by-hash-response': encodeReadByHashResponse,
  'read-by-hash-response-error': encodeReadByHashResponseError,
  hello: encodeHello,
  proof: encodeProof,
  farewell: encodeFarewell,
  flush: encodeFlush,
  acks: encodeAcks,
  root: encodeRoot,
  'write-newer': encodeWriteNewer,
  'write-checked': encodeWriteChecked,
  'write-patch': encodeWritePatch,
  begin: encodeBegin,
  'begin-response': encodeBeginResponse,
  'read-digests': encodeReadDigests,
  'read-digests-response': encodeReadDigestsResponse,
  keep: encodeKeep,
  'keep-response': encodeKeepResponse,
  prepare: encodePrepare,
  'prepare-response': encodePrepareResponse,
  commit: encodeCommit,
  'commit-response': encodeCommitResponse,
  cancel: encodeCancel,
  'cancel-response': encodeCancelResponse,
  complete: encodeComplete,
  'complete-response': encodeCompleteResponse,
  ping: encodePing,
  padding: encodePadding,
  'failure-response': encodeFailureResponse,
  'flush-response': encodeFlushResponse,
  'root-response': encodeRootResponse,
  'ping-response': encodePingResponse,
}

/** Whether a command byte means something to this version. */
export function isKnownCommand(command: number): boolean {
  return Object.hasOwn(DECODERS, command)
}

/** Whether a packet answers another one: their kinds say so. */
export function isResponse(packet: Packet): packet is ResponsePacket {
  return packet.kind.includes('-response')
}

/**
 * Reads one packet, all of it. Data in the result is a view of `payload`, valid as long as the payload is left alone; lists are arrays of
 * their own. Numbers have the agreed form but may lie outside the device, and texts are a stranger's.
 * @throws StorageError `MALFORMED` for bytes without the agreed form, `LIMIT_EXCEEDED` for more items than `limits.ts` allows.
 */
export function decodePacket(payload: Uint8Array): Packet {
  const command = payload[0]
  const decode =
    command === undefined ? undefined : (DECODERS as Record<number, (payload: Uint8Array) => Packet>)[command]
  if (decode !== undefined) return decode(payload)
  const context = { command, bytes: payload.length }
  throw new StorageError('MALFORMED', 'A packet has no command or one that means nothing.', { context })
}

/**
 * Writes one packet. Data is not copied: `data` of the result is the view that the packet holds, borrowed until it was sent.
 * @throws InvalidArgumentError for a number that does not fit its field, or a text longer than a peer accepts.
 */
export function encodePacket(packet: Packet): EncodedPacket {
  return (ENCODERS[packet.kind] as (packet: Packet) => EncodedPacket)(packet)
}
