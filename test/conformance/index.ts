/** The contracts as cases, for whoever writes a source, an order or kernels of their own. */
export { type BlockOrderFactory, blockOrderConformance } from './block-order.ts'
export type { ConformanceCase } from './case.ts'
export { type ChannelConformanceOptions, type ChannelPair, channelConformance } from './channel.ts'
export { kernelsConformance } from './kernels.ts'
export { type StorageFactory, storageProviderConformance } from './storage-provider.ts'
export { type TrackedDisk, type TrackedDiskFactory, trackingProviderConformance } from './tracking-provider.ts'
