/** Which hash guards blocks. `xxh128` finds every accident at memory speed; `blake3` also withstands someone who forges blocks. */
export type HashName = 'xxh128' | 'blake3'

/** Bytes of every digest here: 128 bits, the whole of XXH128 and the first half of BLAKE3. */
export const DIGEST_BYTES = 16

/** Hashes one piece of bytes at a time, synchronously. */
export interface BlockHasher {
  readonly name: HashName
  /** A fresh digest of `DIGEST_BYTES`, owned by the caller; `bytes` is only looked at. */
  hash(bytes: Uint8Array): Uint8Array
}

const hashers = new Map<HashName, Promise<BlockHasher>>()

/**
 * A hasher, made once for each name; the hash library is loaded on first use, so that a page that never verifies never fetches it.
 * Digests: XXH128 (xxHash 0.8, seed 0) or BLAKE3 cut to 128 bits, both by `hash-wasm`.
 */
export function createBlockHasher(name: HashName = 'xxh128'): Promise<BlockHasher> {
  let hasher = hashers.get(name)
  if (!hasher) {
    hasher = load(name)
    hashers.set(name, hasher)
    hasher.catch(() => hashers.delete(name))
  }
  return hasher
}

async function load(name: HashName): Promise<BlockHasher> {
  const { createXXHash128, createBLAKE3 } = await import('hash-wasm')
  const state = name === 'xxh128' ? await createXXHash128() : await createBLAKE3(DIGEST_BYTES * 8)
  return { name, hash: (bytes) => state.init().update(bytes).digest('binary') }
}
