import { formatBytes } from '../format.ts'
import { parseSettings, type Settings, STORAGE_NAMES } from './settings.ts'

/** How far the latest run came, kept so that a reload or a crash does not leave disks that nobody knows of. */
export type RunStage = 'filling' | 'moving' | 'cancelled' | 'done'

/** The latest run. */
export interface RunRecord {
  readonly settings: Settings
  readonly stage: RunStage
}

const KEY = 'blockferry.mover.run'

/** Name of the lock that a worker holds while it uses disks that outlive the page. */
export const DISKS_LOCK = 'blockferry.mover.disks'

/** Notes how far the run is, where it leaves anything in the browser. Without a place to note it only leftovers go unnoticed. */
export function noteRun(record: RunRecord | undefined): void {
  const isStored = record && (record.settings.source !== 'memory' || record.settings.destination !== 'memory')
  try {
    if (isStored) localStorage.setItem(KEY, JSON.stringify(record))
    else localStorage.removeItem(KEY)
  } catch {
    // As said above.
  }
}

/** The latest run of any tab, if its disks were not deleted. */
export function readRun(): RunRecord | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? 'null') as Partial<RunRecord> | null
    const stage = (['filling', 'moving', 'cancelled', 'done'] as const).find((known) => known === kept?.stage)
    return kept && stage ? { settings: parseSettings({ ...kept.settings }), stage } : undefined
  } catch {
    return undefined
  }
}

/** Whether some tab is using the disks at this moment; this one included. */
export async function disksInUse(): Promise<boolean> {
  // Missing where the page does not come from a secure origin; then nobody can know.
  const locks = await (navigator.locks as LockManager | undefined)?.query()
  return locks?.held?.some((lock) => lock.name === DISKS_LOCK) ?? false
}

/** Offers a disk that an earlier run left: to be moved again where its source is whole, to be discarded in any case. */
export class LeftoverNotice {
  readonly #element: HTMLElement
  #record: RunRecord | undefined

  constructor(element: HTMLElement) {
    this.#element = element
  }

  /** What is on offer. */
  get record(): RunRecord | undefined {
    return this.#record
  }

  /** What a run in this page left: memory is still there too. */
  offer(record: RunRecord): void {
    this.#show(record, record.stage !== 'filling')
  }

  /** What a run left that a reload or another tab ended, if any did. */
  async offerInterrupted(): Promise<void> {
    const record = readRun()
    if (!record || record.stage === 'done' || (await disksInUse())) return
    this.#show(record, record.stage !== 'filling' && record.settings.source !== 'memory')
  }

  hide(): void {
    this.#record = undefined
    this.#element.hidden = true
  }

  #show(record: RunRecord, reusable: boolean): void {
    const { size, source } = record.settings
    const disk = `${formatBytes(size)} in ${STORAGE_NAMES[source]}`
    const run = record.stage === 'cancelled' ? 'the last run' : 'an interrupted run'
    this.#record = record
    this.#element.querySelector('p')!.textContent = reusable
      ? `The source disk of ${run} is still here: ${disk}. You can move it again, or discard it.`
      : 'A run was interrupted and left an unfinished disk behind, which can only be discarded.'
    this.#element.querySelector<HTMLElement>('#reuse')!.hidden = !reusable
    this.#element.hidden = false
  }
}
