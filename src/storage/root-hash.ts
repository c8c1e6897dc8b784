import { createBlockHasher, type HashName } from './block-hasher.ts'
import { HashTree } from './hash-tree.ts'
import type { StorageProvider } from './provider.ts'
import { WALK_BYTES, type WalkOptions, walkTogether } from './sequential-reader.ts'

/** How a disk is hashed; both sides must use the same. */
export interface RootHashOptions extends WalkOptions {
  /** Bytes of a leaf. Default: 65536. */
  blockSize?: number
  /** Default: `xxh128`. */
  hash?: HashName
}

/** Reads a whole disk and returns its root hash, `DIGEST_BYTES` long. Equal roots of two disks mean equal content. */
export async function rootHash(provider: StorageProvider, options: RootHashOptions = {}): Promise<Uint8Array> {
  const hasher = await createBlockHasher(options.hash)
  const tree = new HashTree(provider.size, options.blockSize ?? 65536, hasher)
  await walkTogether([provider], (offset, [bytes]) => tree.update(offset / tree.blockSize, bytes!), {
    ...options,
    stepBytes: Math.max(WALK_BYTES, tree.blockSize),
  })
  return tree.root()
}
