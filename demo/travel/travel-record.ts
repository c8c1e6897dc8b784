import type { Invitation } from '../../src/transports/pairing/invitation.ts'
import { readInvitation } from '../../src/transports/pairing/invitation.ts'
import { STORAGE_NAMES } from '../mover/settings.ts'
import type { TravelSettings } from './messages.ts'
import type { End } from './travel-disks.ts'

/** What a page notes of a journey, so that the page after a reload can go on with it. The journal beside the disk says how far it came. */
export interface TravelRecord {
  /** Of the arriving side only the place counts. */
  readonly settings: TravelSettings
  /** Whether the disk was filled; always true where it arrives. */
  readonly isFilled: boolean
  /** Leads to the other side, as the fragment of a link does: both have made it of what they said over the last connection. */
  readonly meeting?: string
  /** How much had crossed when it was noted, 0 to 1; of the side that sends. */
  readonly share?: number
}

/** Notes it where the disk outlives the page; undefined: there is none any more. Without a place to note it only the offer to resume is missing. */
export function noteJourney(end: End, record: TravelRecord | undefined): void {
  try {
    if (record && record.settings.place !== 'memory') localStorage.setItem(key(end), JSON.stringify(record))
    else localStorage.removeItem(key(end))
  } catch {
    // As said above.
  }
}

/** What was noted last. */
export function readJourney(end: End): TravelRecord | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(key(end)) ?? 'null') as Partial<TravelRecord> | null
    const place = kept?.settings?.place
    if (!kept?.settings || (place !== 'opfs' && place !== 'indexeddb')) return undefined
    const { size, writeRate, linkRate } = kept.settings
    if (![size, writeRate, linkRate].every((value) => Number.isSafeInteger(value) && value >= 0)) return undefined
    const { meeting, share } = kept
    const settings = { place, size, writeRate, linkRate } as const
    return {
      settings,
      isFilled: kept.isFilled === true,
      ...(typeof meeting === 'string' ? { meeting } : {}),
      ...(typeof share === 'number' && share >= 0 && share <= 1 ? { share } : {}),
    }
  } catch {
    return undefined
  }
}

/** The way to the other side of a journey; undefined when it was never met. */
export function meetingOf({ meeting }: Pick<TravelRecord, 'meeting'>): Promise<Invitation | undefined> {
  return meeting === undefined ? Promise.resolve(undefined) : readInvitation(`#ferry=${meeting}`)
}

/** Where a disk lies, in words. */
export function placeName(record: TravelRecord): string {
  return STORAGE_NAMES[record.settings.place]
}

function key(end: End): string {
  return `blockferry.travel.${end}`
}
