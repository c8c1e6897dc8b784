/** Where code runs, as far as storages care. */
export type StorageContext = 'node' | 'page' | 'worker' | 'shared-worker'

/** What a source promises beyond the contract: data, so that the conformance suite checks it and the README prints it. */
export interface StorageCapabilities {
  /** Name of the row. */
  readonly name: string
  /** Flushed bytes are there again after closing and opening. */
  readonly durable: boolean
  /** Works at its best only inside a worker; elsewhere it starts one or falls back with a warning. */
  readonly needsWorker: boolean
  /** Ranges never written take no space. */
  readonly sparse: boolean
  /** Bytes of the largest disk; the browser's quota may allow less. */
  readonly largestSize: number
  /** Calls under way together are faster than one after the other. */
  readonly concurrent: boolean
  /** Opening the same disk a second time is refused with `LOCKED`. */
  readonly exclusive: boolean
  /** Has `zeroAt`. */
  readonly discard: boolean
  /** Has `extents`. */
  readonly extents: boolean
  /** Where the synchronous twins exist. */
  readonly synchronous: readonly StorageContext[]
  /** Where it can be opened. */
  readonly contexts: readonly StorageContext[]
}

const EVERYWHERE: readonly StorageContext[] = ['node', 'page', 'worker', 'shared-worker']
const BROWSER: readonly StorageContext[] = ['page', 'worker', 'shared-worker']

/** Every source with its capabilities. `opfs-async` is the form `OpfsStorage` takes where sync access handles are missing. */
export const SOURCE_CAPABILITIES = {
  memory: {
    name: 'memory',
    durable: false,
    needsWorker: false,
    sparse: false,
    largestSize: 2 ** 32,
    concurrent: false,
    exclusive: false,
    discard: true,
    extents: false,
    synchronous: EVERYWHERE,
    contexts: EVERYWHERE,
  },
  'memory-sparse': {
    name: 'memory-sparse',
    durable: false,
    needsWorker: false,
    sparse: true,
    largestSize: Number.MAX_SAFE_INTEGER,
    concurrent: false,
    exclusive: false,
    discard: true,
    extents: true,
    synchronous: EVERYWHERE,
    contexts: EVERYWHERE,
  },
  indexeddb: {
    name: 'indexeddb',
    durable: true,
    needsWorker: false,
    sparse: true,
    largestSize: Number.MAX_SAFE_INTEGER,
    concurrent: true,
    exclusive: true,
    discard: true,
    extents: true,
    synchronous: [],
    contexts: BROWSER,
  },
  opfs: {
    name: 'opfs',
    durable: true,
    needsWorker: true,
    sparse: false,
    largestSize: Number.MAX_SAFE_INTEGER,
    concurrent: false,
    exclusive: true,
    discard: false,
    extents: false,
    synchronous: ['worker'],
    contexts: ['page', 'worker'],
  },
  'opfs-async': {
    name: 'opfs-async',
    durable: true,
    needsWorker: false,
    sparse: false,
    // Every batch copies the whole file, and the quota must hold both.
    largestSize: 2 ** 32,
    concurrent: false,
    exclusive: true,
    discard: false,
    extents: false,
    synchronous: [],
    contexts: BROWSER,
  },
  file: {
    name: 'file',
    durable: true,
    needsWorker: false,
    sparse: true,
    largestSize: Number.MAX_SAFE_INTEGER,
    concurrent: true,
    exclusive: false,
    discard: true,
    extents: false,
    synchronous: [],
    contexts: ['node'],
  },
} as const satisfies Record<string, StorageCapabilities>

/** Name of a row of {@link SOURCE_CAPABILITIES}. */
export type SourceName = keyof typeof SOURCE_CAPABILITIES

/** The context this code runs in. */
export function currentContext(): StorageContext {
  const scope = globalThis as { document?: unknown; DedicatedWorkerGlobalScope?: unknown; WorkerGlobalScope?: unknown }
  if (scope.document !== undefined) return 'page'
  if (scope.DedicatedWorkerGlobalScope !== undefined) return 'worker'
  return scope.WorkerGlobalScope === undefined ? 'node' : 'shared-worker'
}
