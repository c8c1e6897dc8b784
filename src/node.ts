/** What only Node has; everything else comes from the browser entry, `index.ts`, in Node too. */
export type { NbdExportOptions } from './adapters/nbd/nbd-export.ts'
export { type NbdAddress, NbdServer, type NbdServerOptions } from './adapters/nbd/server.node.ts'
export type { NbdServerEventMap, NbdServerListener } from './adapters/nbd/server-events.ts'
export { FileStorage, type FileStorageOptions } from './sources/file.node.ts'
export type { Admission } from './transports/doorstep.ts'
export {
  type Rendezvous,
  type RendezvousServerOptions,
  startRendezvous,
} from './transports/pairing/rendezvous-server.node.ts'
export { tcpChannel } from './transports/tcp.node.ts'
export { type ConnectTcpOptions, connectTcp } from './transports/tcp-connect.node.ts'
export { type ChannelServer, type ListenTcpOptions, listenTcp } from './transports/tcp-server.node.ts'
export { type ConnectWebSocketOptions, connectWebSocket } from './transports/websocket-client.node.ts'
export { type ListenWebSocketOptions, listenWebSocket } from './transports/websocket-server.node.ts'
