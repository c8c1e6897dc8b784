/**
 * Moving a disk to somebody else: connections, both ends of a disk in transit, transports and pairing that run in browsers and in Node.
 * Apart from `index.ts`, so that a page which moves nothing over a wire does not pay for it.
 */
export { ArrivingDisk, type ArrivingDiskOptions } from './devices/arriving-disk.ts'
export { DeviceGroup, type DeviceGroupOptions } from './devices/device-group.ts'
export type { DiskJournal } from './devices/disk-journal.ts'
export type { GroupMessageHandler } from './devices/group-messages.ts'
export type { GroupDisk, SendGroupOptions, SentGroup } from './devices/group-options.ts'
export { GROUP_RECORD_BYTES } from './devices/group-record.ts'
export { type OfferedDisk, type ReceiveDiskOptions, type ReceivedDisk, receiveDisk } from './devices/receive-disk.ts'
export {
  type ReceivedGroup,
  type ReceiveGroupOptions,
  type ReopenGroupOptions,
  receiveGroup,
  reopenGroup,
} from './devices/receive-group.ts'
export { type SendDiskOptions, type SentDisk, sendDisk } from './devices/send-disk.ts'
export { type OpenSendingOptions, SendingDisk, type SendingOptions } from './devices/sending-disk.ts'
export {
  type Journal,
  type JournalOptions,
  journalBytes,
  openJournal,
  readOwnership,
} from './migration/journal/journal.ts'
export type { Ownership, OwnershipState } from './migration/journal/ownership.ts'
export { createWriteIntents, type WriteIntents } from './migration/journal/write-intents.ts'
export { createWaitingCache, type WaitingCache, type WaitingCacheOptions } from './modules/waiting-cache.ts'
export type { Channel } from './protocol/channel.ts'
export { type Connection, type ConnectionOptions, openConnection } from './protocol/connection.ts'
export { FromProtocol } from './protocol/from-protocol.ts'
export { type Dialect, ProtocolRW } from './protocol/protocol-rw.ts'
export { ToProtocol } from './protocol/to-protocol.ts'
export { type BlockHasher, createBlockHasher } from './storage/block-hasher.ts'
export { canTransferDataChannels, takeDataChannel } from './transports/data-channel-transfer.ts'
export { type MemoryChannels, memoryChannels } from './transports/memory.ts'
export { type MessagePortChannelOptions, messagePortChannel, type PortLike } from './transports/message-port.ts'
export { type BroadcastOptions, broadcastSignalling } from './transports/pairing/broadcast-channel.ts'
export {
  type ConnectDataChannelOptions,
  type ConnectedDataChannel,
  type ConnectedPeers,
  type ConnectPeersOptions,
  connectDataChannel,
  connectPeers,
} from './transports/pairing/connect-peers.ts'
export {
  createInvitation,
  type Invitation,
  invitationLink,
  readInvitation,
} from './transports/pairing/invitation.ts'
export { type ManualSignalling, manualSignalling } from './transports/pairing/manual.ts'
export { type RendezvousOptions, rendezvousSignalling } from './transports/pairing/rendezvous-client.ts'
export type { Signalling } from './transports/pairing/signalling.ts'
export { type DataChannelOptions, dataChannelChannel } from './transports/webrtc.ts'
export { webRtcBinding } from './transports/webrtc-binding.ts'
export {
  type OpenedWebSocket,
  type OpenWebSocketOptions,
  openWebSocket,
  type WebSocketChannelOptions,
  webSocketChannel,
} from './transports/websocket.ts'
