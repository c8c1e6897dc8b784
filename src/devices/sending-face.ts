import type { HandOverRequests } from '../protocol/hand-over-requests.ts'
import type { BlockRange } from '../protocol/packets/keep.ts'
import type { BlockDigests } from '../storage/block-digests.ts'
import { DIGEST_BYTES } from '../storage/block-hasher.ts'
import type { BlockIoOptions, IoOptions, StorageProvider } from '../storage/provider.ts'
import type { Checkpoints } from './checkpoints.ts'
import type { OrderedDestination } from './ordered-destination.ts'
import type { PatchingDestination } from './patching-destination.ts'

/** What the face works with. */
export interface SendingFaceParts {
  readonly to: OrderedDestination
  readonly requests: HandOverRequests
  /** Of what the destination holds: noted when it has stored a block. */
  readonly digests: BlockDigests
  /** What the destination claims of blocks that nothing is known of here. */
  readonly claims: BlockDigests | undefined
  readonly checkpoints: Checkpoints
  /** Sends only what has changed of blocks that were sent before; undefined where the destination cannot take that. */
  readonly patching?: PatchingDestination | undefined
}

/**
 * The destination of a migration, as the migrator sees it: keeps the digests of what was sent, and sends no block that the destination
 * turns out to hold already.
 */
export class SendingFace implements StorageProvider {
  readonly size: number
  readonly preferredBytes: number
  /** Blocks that were kept instead of sent. */
  blocksKept = 0
  readonly #parts: SendingFaceParts
  readonly #blockSize: number

  constructor(parts: SendingFaceParts, blockSize: number) {
    this.#parts = parts
    this.#blockSize = blockSize
    this.size = parts.to.size
    this.preferredBytes = parts.to.preferredBytes
  }

  readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    return this.#parts.to.readAt(target, offset, options)
  }

  async writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const { digests } = this.#parts
    const start = offset / this.#blockSize
    // Before it is sent: it travels beside the data.
    const hashed = digests.hash(data)
    const kept = this.#kept(start, hashed)
    if (kept.length === 0) await this.#send(data, offset, { ...options, digests: hashed })
    else await this.#sendTheRest(data, offset, { kept, options: { ...options, digests: hashed } })
    digests.noteDigests(start, hashed)
    this.#parts.checkpoints.passed(data.length)
    return data.length
  }

  async zeroAt(offset: number, length: number): Promise<number> {
    this.#parts.patching?.forget(offset, length)
    const count = await this.#parts.to.zeroAt(offset, length)
    const [start, blocks] = [offset / this.#blockSize, Math.ceil(length / this.#blockSize)]
    this.#parts.claims?.forget(start, blocks)
    this.#parts.digests.noteZero(start, blocks)
    return count
  }

  flush(): Promise<void> {
    return this.#parts.to.flush()
  }

  close(): Promise<void> {
    return this.#parts.to.close()
  }

  cancelWrites(): void {}

  /** Blocks of this write that the destination holds as they are; each claim is looked at once. */
  #kept(start: number, hashed: Uint8Array): BlockRange[] {
    const { claims } = this.#parts
    if (!claims || claims.knownBlocks === 0) return []
    const ranges: { first: number; count: number }[] = []
    const end = start + hashed.length / DIGEST_BYTES
    for (let block = start; block < end; block++) {
      const claim = claims.digestAt(block)
      if (!claim) continue
      const at = (block - start) * DIGEST_BYTES
      const isSame = claim.every((byte, index) => byte === hashed[at + index])
      claims.forget(block, 1)
      if (!isSame) continue
      const last = ranges.at(-1)
      if (last && last.first + last.count === block) last.count++
      else ranges.push({ first: block, count: 1 })
    }
    return ranges
  }

  async #sendTheRest(
    data: Uint8Array,
    offset: number,
    { kept, options }: { kept: readonly BlockRange[]; options: BlockIoOptions & { digests: Uint8Array } },
  ): Promise<void> {
    const calls: Promise<void>[] = [this.#parts.requests.keep(kept)]
    let from = offset
    const end = offset + data.length
    for (const { first, count } of [...kept, { first: Math.ceil(end / this.#blockSize), count: 0 }]) {
      const to = Math.min(end, first * this.#blockSize)
      if (from < to) {
        const part = data.subarray(from - offset, to - offset)
        const at = (block: number) => (block - offset / this.#blockSize) * DIGEST_BYTES
        const digests = options.digests.subarray(at(from / this.#blockSize), at(Math.ceil(to / this.#blockSize)))
        calls.push(this.#send(part, from, { ...options, digests }))
      }
      from = (first + count) * this.#blockSize
      this.blocksKept += count
    }
    // All of them, also after a failure: the data is borrowed until the last one has ended.
    const failed = (await Promise.allSettled(calls)).find((call) => call.status === 'rejected')
    if (failed) throw failed.reason
  }

  async #send(data: Uint8Array, offset: number, options: BlockIoOptions & { digests: Uint8Array }): Promise<void> {
    const { to, patching } = this.#parts
    if (patching) await patching.write({ data, offset, options })
    else await to.writeAt(data, offset, options)
  }
}
