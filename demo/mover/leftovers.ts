import { parseSettings, type Settings } from './settings.ts'

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

/** Notes how far the run is. Without a place to note it nothing breaks, only leftovers go unnoticed. */
export function noteRun(record: RunRecord | undefined): void {
  try {
    if (record) localStorage.setItem(KEY, JSON.stringify(record))
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
  const { held } = await navigator.locks.query()
  return held?.some((lock) => lock.name === DISKS_LOCK) ?? false
}
