// @ts-expect-error The tests of wa-sqlite have no types.
import { sql_0001 } from '@journeyapps/wa-sqlite/test/sql_0001.js'
// @ts-expect-error The same.
import { sql_0002 } from '@journeyapps/wa-sqlite/test/sql_0002.js'
// @ts-expect-error The same.
import { sql_0003 } from '@journeyapps/wa-sqlite/test/sql_0003.js'
// @ts-expect-error The same.
import { sql_0004 } from '@journeyapps/wa-sqlite/test/sql_0004.js'
// @ts-expect-error The same.
import { sql_0005 } from '@journeyapps/wa-sqlite/test/sql_0005.js'
// @ts-expect-error The same.
import { vfs_xAccess } from '@journeyapps/wa-sqlite/test/vfs_xAccess.js'
// @ts-expect-error The same.
import { vfs_xClose } from '@journeyapps/wa-sqlite/test/vfs_xClose.js'
// @ts-expect-error The same.
import { vfs_xOpen } from '@journeyapps/wa-sqlite/test/vfs_xOpen.js'
// @ts-expect-error The same.
import { vfs_xRead } from '@journeyapps/wa-sqlite/test/vfs_xRead.js'
// @ts-expect-error The same.
import { vfs_xWrite } from '@journeyapps/wa-sqlite/test/vfs_xWrite.js'
import * as Comlink from 'comlink'
import type { InstanceRequest, UpstreamConfig } from './file-system.worker.ts'

/** How one test of wa-sqlite ended. */
export interface CaseResult {
  readonly name: string
  readonly error: string | undefined
}

type Work = () => unknown

/** What is done around the cases of a group: those outside it come first, and their cleaning last. */
interface Group {
  readonly name: string
  readonly once: Work[]
  readonly before: Work[]
  readonly after: Work[]
}

/** The suites that wa-sqlite runs for each of its file systems. That of `xAccess` is empty in this version, and runs as soon as it is not. */
const SUITES = [
  vfs_xAccess,
  vfs_xOpen,
  vfs_xClose,
  vfs_xRead,
  vfs_xWrite,
  sql_0001,
  sql_0002,
  sql_0003,
  sql_0004,
  sql_0005,
]

/** Runs the tests of file systems that wa-sqlite ships, as they are, against ours; they are written for Jasmine, of which this is as much as they use. */
export async function runUpstream(config: UpstreamConfig): Promise<CaseResult[]> {
  const cases: { name: string; groups: Group[]; work: Work }[] = []
  let groups: Group[] = []
  const enter = (name: string) => {
    groups = [...groups, { name, once: [], before: [], after: [] }]
  }
  Object.assign(globalThis, {
    describe: (name: string, define: Work) => {
      const outside = groups
      enter(name)
      define()
      groups = outside
    },
    beforeAll: (work: Work) => groups.at(-1)!.once.push(work),
    beforeEach: (work: Work) => groups.at(-1)!.before.push(work),
    afterEach: (work: Work) => groups.at(-1)!.after.unshift(work),
    it: (name: string, work: Work) => cases.push({ name, groups, work }),
    expect,
  })
  for (const suite of SUITES) {
    groups = []
    enter('')
    suite(contextFor(config))
  }
  const results: CaseResult[] = []
  for (const { name, groups, work } of cases) {
    let error: string | undefined
    try {
      for (const group of groups) for (const step of group.once.splice(0)) await step()
      for (const step of [...groups.flatMap(({ before }) => before), work]) await step()
    } catch (thrown) {
      error = String(thrown)
    }
    for (const step of [...groups].reverse().flatMap(({ after }) => after)) await step()
    results.push({ name: `${groups.at(-1)!.name} ${name}`, error })
  }
  return results
}

/**
 * Its `TestContext` starts a worker for each instance, which knows its own file systems only. A disk of ours belongs to one worker: instances that are there
 * at the same time share it.
 */
function contextFor(config: UpstreamConfig): {
  create(options?: { reset?: boolean }): Promise<object>
  destroy(proxy: object): Promise<void>
} {
  const instances = new Set<object>()
  let worker: Worker | undefined
  return {
    create: async ({ reset = true } = {}) => {
      worker ??= new Worker(new URL('./file-system.worker.ts', import.meta.url), { type: 'module' })
      const shared = worker
      const port = await new Promise<MessagePort>((resolve, reject) => {
        shared.onerror = (event) => reject(new Error(event.message))
        shared.onmessage = ({ data, ports }: MessageEvent<{ error?: string }>) =>
          ports[0] ? resolve(ports[0]) : reject(new Error(data.error))
        shared.postMessage({ ...config, reset } satisfies InstanceRequest)
      })
      const proxy = Comlink.wrap<object>(port)
      instances.add(proxy)
      return proxy
    },
    destroy: async (proxy) => {
      instances.delete(proxy)
      if (instances.size > 0) return
      worker?.terminate()
      worker = undefined
    },
  }
}

interface Expectation {
  toEqual(expected: unknown): void
  toBe(expected: unknown): void
  toBeLessThan(expected: number): void
  readonly not: Pick<Expectation, 'toEqual'>
}

function expect(actual: unknown): Expectation {
  const text = (value: unknown) => JSON.stringify(value instanceof Uint8Array ? [...value] : value)
  const fail = (expected: unknown, not: string) => {
    throw new Error(`expected ${text(actual)} ${not}to be ${text(expected)}`)
  }
  return {
    toEqual: (expected) => void (text(actual) === text(expected) || fail(expected, '')),
    toBe: (expected) => void (Object.is(actual, expected) || fail(expected, '')),
    toBeLessThan: (expected) => void ((actual as number) < expected || fail(expected, 'less than ')),
    not: { toEqual: (expected) => void (text(actual) !== text(expected) || fail(expected, 'not ')) },
  }
}
