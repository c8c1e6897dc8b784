import { SendingDisk, type SendingOptions } from '../../src/devices/sending-disk.ts'
import { moveAway, type SqliteDisk } from '../../src/sqlite.ts'

/** A database on its way to the other side, over one connection after another, until that side has said that it is its own. */
export class Departure {
  readonly #disk: SqliteDisk
  #sending: SendingDisk | undefined
  #figures: { readonly pauseMs: number; readonly bytesMoved: number } | undefined

  constructor(disk: SqliteDisk) {
    this.#disk = disk
  }

  /** It was given away: it is never written here again. */
  get isReleased(): boolean {
    return this.#sending?.isReleased ?? false
  }

  /** The other side has said that it has it. */
  get isAcknowledged(): boolean {
    return this.#sending?.isAcknowledged ?? false
  }

  /** Of the move; undefined when something failed behind the hand-over. */
  get figures(): { readonly pauseMs: number; readonly bytesMoved: number } | undefined {
    return this.#figures
  }

  /** Sends it, or what is left to be said. */
  async send(options: SendingOptions): Promise<void> {
    if (this.isReleased) {
      await this.#sending!.send(options)
      return
    }
    const { pauseMs, bytesMoved } = await moveAway(this.#disk, async (moving) => {
      this.#sending = await SendingDisk.open({ source: moving.source })
      return this.#sending.send({ ...options, ...moving })
    })
    this.#figures = { pauseMs, bytesMoved }
  }
}
