import { createKernels } from '../../../src/kernels/load.ts'
import { SOURCE_CAPABILITIES } from '../../../src/sources/capabilities.ts'
import { IndexedDbStorage } from '../../../src/sources/indexeddb.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { OpfsStorage } from '../../../src/sources/opfs.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import type { ConformanceCase } from '../../conformance/case.ts'
import { kernelsConformance } from '../../conformance/kernels.ts'
import { storageProviderConformance } from '../../conformance/storage-provider.ts'

/** A conformance suite as the browser runs it. */
interface Suite {
  readonly cases: ConformanceCase[]
  /** Removes what a case left behind. */
  cleanUp(): Promise<void>
}

let disks = 0
const newName = () => `conformance-${disks++}`
const nothing = async () => {}

const SUITES: Record<string, () => Suite> = {
  'kernels-simd': () => ({ cases: kernelsConformance(() => createKernels({ build: 'simd' })), cleanUp: nothing }),
  'kernels-scalar': () => ({ cases: kernelsConformance(() => createKernels({ build: 'scalar' })), cleanUp: nothing }),
  'kernels-typescript': () => ({
    cases: kernelsConformance(() => createKernels({ build: 'typescript' })),
    cleanUp: nothing,
  }),
  memory: () => ({
    cases: storageProviderConformance({
      capabilities: SOURCE_CAPABILITIES.memory,
      create: async (size) => new MemoryStorage(size),
    }),
    cleanUp: nothing,
  }),
  'memory-sparse': () => ({
    cases: storageProviderConformance({
      capabilities: SOURCE_CAPABILITIES['memory-sparse'],
      create: async (size) => new MemoryStorage(size, { sparse: true }),
    }),
    cleanUp: nothing,
  }),
  indexeddb: () => ({
    cases: storageProviderConformance({
      capabilities: SOURCE_CAPABILITIES.indexeddb,
      create: (size) => IndexedDbStorage.open(newName(), { size }),
      reopen: (disk: StorageProvider) => IndexedDbStorage.open((disk as IndexedDbStorage).name),
    }),
    cleanUp: async () => {
      for (const name of await IndexedDbStorage.list()) await IndexedDbStorage.delete(name)
    },
  }),
  opfs: () => opfsSuite('sync'),
  'opfs-async': () => opfsSuite('async'),
}

function opfsSuite(access: 'sync' | 'async'): Suite {
  return {
    cases: storageProviderConformance({
      capabilities: SOURCE_CAPABILITIES[access === 'sync' ? 'opfs' : 'opfs-async'],
      create: (size) => OpfsStorage.open(newName(), { size, access }),
      reopen: (disk: StorageProvider) => OpfsStorage.open((disk as OpfsStorage).name, { access }),
    }),
    cleanUp: async () => {
      for (const name of await OpfsStorage.list()) await OpfsStorage.delete(name)
    },
  }
}

const loaded = new Map<string, Suite>()

function suite(name: string): Suite {
  const found = loaded.get(name) ?? SUITES[name]()
  loaded.set(name, found)
  return found
}

/** Names of the cases of a suite in the order of their numbers. */
export function listCases(name: string): string[] {
  return suite(name).cases.map((each) => each.name)
}

/** Runs one case; resolves with undefined when it holds, else with what failed. */
export async function runCase(name: string, index: number): Promise<string | undefined> {
  const { cases, cleanUp } = suite(name)
  try {
    await cases[index].run()
  } catch (error) {
    return describe(error)
  } finally {
    await cleanUp()
  }
  return undefined
}

/** The whole story of an error: message, stack and causes, since only text leaves the browser. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by: ${describe(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
