/** What only Node has; everything else comes from the browser entry, `index.ts`, in Node too. */
export type { NbdExportOptions } from './adapters/nbd/nbd-export.ts'
export { type NbdAddress, NbdServer, type NbdServerOptions } from './adapters/nbd/server.node.ts'
export type { NbdServerEventMap, NbdServerListener } from './adapters/nbd/server-events.ts'
export { FileStorage, type FileStorageOptions } from './sources/file.node.ts'
