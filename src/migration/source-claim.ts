import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'

/** The claim of one migrator on its source, kept while anybody in it needs the source. */
export class SourceClaim {
  readonly #source: TrackingStorageProvider
  #holders = 0
  #giveBack: (() => void) | undefined

  constructor(source: TrackingStorageProvider) {
    this.#source = source
  }

  /** Keeps other migrations off until the returned function is called; again has no effect. @throws StorageError `BUSY` */
  hold(): () => void {
    if (this.#holders === 0) this.#giveBack = this.#source.claim?.()
    this.#holders++
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#holders--
      if (this.#holders > 0) return
      this.#giveBack?.()
      this.#giveBack = undefined
    }
  }
}
