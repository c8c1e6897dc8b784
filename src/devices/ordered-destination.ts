import type { Bitfield } from '../bitfield/bitfield.ts'
import type { ToProtocol } from '../protocol/to-protocol.ts'
import type { BlockIoOptions } from '../storage/provider.ts'
import { StorageWrapper } from '../storage/wrapper.ts'

/**
 * A destination to which no block is sent before it has heard that its older copy is void. Over one lane what is sent later arrives later, and
 * nobody has to wait; over several only an answer tells.
 */
export class OrderedDestination extends StorageWrapper<ToProtocol> {
  readonly #waits: boolean
  #telling: Promise<void> | undefined

  constructor(to: ToProtocol, laneCount: number) {
    super(to)
    this.#waits = laneCount > 1
  }

  /** As that of the destination. */
  dirtyList(blocks: Bitfield): Promise<void> {
    const told = this.inner.dirtyList(blocks)
    const telling = told
      .catch(() => {}) // Heard by the caller.
      .then(() => {
        if (this.#telling === telling) this.#telling = undefined
      })
    this.#telling = telling
    return told
  }

  override async writeAt(data: Uint8Array, offset: number, options?: BlockIoOptions): Promise<number> {
    if (this.#waits && this.#telling) await this.#telling
    return this.inner.writeAt(data, offset, options)
  }

  /** As that of the destination. */
  async patch(...call: Parameters<ToProtocol['patch']>): Promise<void> {
    if (this.#waits && this.#telling) await this.#telling
    return this.inner.patch(...call)
  }

  async zeroAt(offset: number, length: number): Promise<number> {
    if (this.#waits && this.#telling) await this.#telling
    return this.inner.zeroAt(offset, length)
  }
}
