/** Where a disk of the demo can lie. */
export type StorageKind = 'memory' | 'indexeddb' | 'opfs'

/** Where the program writes; the names of the library's synthetic writer. */
export type Pattern = 'zipf' | 'uniform' | 'sequential'

/** What a visitor chooses. Sizes in bytes, rates in bytes per second. */
export interface Settings {
  readonly source: StorageKind
  readonly destination: StorageKind
  readonly size: number
  readonly blockSize: number
  /** 0: no program writes. */
  readonly writeRate: number
  readonly pattern: Pattern
  /** 0: as fast as the storages can. */
  readonly linkRate: number
}

const KIB = 1024
const MIB = 1024 * KIB

export const STORAGE_KINDS: readonly StorageKind[] = ['memory', 'indexeddb', 'opfs']
export const SIZES: readonly number[] = [16, 32, 64, 128, 256, 512, 1024].map((size) => size * MIB)
export const BLOCK_SIZES: readonly number[] = [4, 16, 64, 256, 1024].map((size) => size * KIB)
export const WRITE_RATES: readonly number[] = [0, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128].map((rate) => rate * MIB)
export const LINK_RATES: readonly number[] = [0, 8, 32, 64, 128, 512].map((rate) => rate * MIB)
export const PATTERNS: readonly Pattern[] = ['zipf', 'uniform', 'sequential']

export const STORAGE_NAMES: Readonly<Record<StorageKind, string>> = {
  memory: 'Memory',
  indexeddb: 'IndexedDB',
  opfs: 'OPFS',
}

export const PATTERN_HINTS: Readonly<Record<Pattern, string>> = {
  zipf: 'Few places are written often, most hardly ever, as in a database.',
  uniform: 'Every place is as likely as any other: the hardest case for a move.',
  sequential: 'One place after the other from the start, as a log or a download.',
}

/** Takes some six seconds to watch on any machine. */
export const DEFAULT_SETTINGS: Settings = {
  source: 'opfs',
  destination: 'indexeddb',
  size: 128 * MIB,
  blockSize: 64 * KIB,
  writeRate: MIB,
  pattern: 'zipf',
  linkRate: 32 * MIB,
}

const KEY = 'blockferry.mover.settings'

/** What the address says, else what was chosen last time, else the defaults; each value for itself, and only values the form offers. */
export function loadSettings(): Settings {
  const address = Object.fromEntries(new URLSearchParams(location.search))
  return parseSettings(address, parseSettings(readKept()))
}

/** Remembers the choice for the next visit. What the address said is outdated then and leaves it, or it would win after a reload. */
export function keepSettings(settings: Settings): void {
  history.replaceState(null, '', location.pathname + location.hash)
  try {
    localStorage.setItem(KEY, JSON.stringify(settings))
  } catch {
    // A browser that keeps nothing still moves disks; only the choice is forgotten.
  }
}

/** Reads settings from anything; what is missing or not on offer is taken from `fallback`. */
export function parseSettings(from: Readonly<Record<string, unknown>>, fallback = DEFAULT_SETTINGS): Settings {
  return {
    source: offered(STORAGE_KINDS, from.source, fallback.source),
    destination: offered(STORAGE_KINDS, from.destination, fallback.destination),
    size: offered(SIZES, toNumber(from.size), fallback.size),
    blockSize: offered(BLOCK_SIZES, toNumber(from.blockSize), fallback.blockSize),
    writeRate: offered(WRITE_RATES, toNumber(from.writeRate), fallback.writeRate),
    pattern: offered(PATTERNS, from.pattern, fallback.pattern),
    linkRate: offered(LINK_RATES, toNumber(from.linkRate), fallback.linkRate),
  }
}

function readKept(): Record<string, unknown> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}')
    return typeof kept === 'object' && kept !== null ? { ...kept } : {}
  } catch {
    return {}
  }
}

/** `Number` takes nothing, an empty text and an empty list for 0, which is a rate on offer. */
function toNumber(value: unknown): number {
  return typeof value === 'number' || (typeof value === 'string' && value !== '') ? Number(value) : Number.NaN
}

function offered<Value>(offers: readonly Value[], value: unknown, fallback: Value): Value {
  return offers.find((offer) => offer === value) ?? fallback
}
