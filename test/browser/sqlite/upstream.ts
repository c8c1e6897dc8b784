// @ts-expect-error The tests of wa-sqlite have no types.
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
import type { UpstreamConfig } from './file-system.worker.ts'

/** How one test of wa-sqlite ended. */
export interface CaseResult {
  readonly name: string
  readonly error: string | undefined
}

type Work = () => unknown

/** Runs the tests of file systems that wa-sqlite ships, as they are, against ours; they are written for Jasmine, of which this is as much as they use. */
export async function runUpstream(config: UpstreamConfig): Promise<CaseResult[]> {
  const cases: { name: string; before: Work[]; after: Work[]; work: Work }[] = []
  let group: { name: string; before: Work[]; after: Work[] } = { name: '', before: [], after: [] }
  Object.assign(globalThis, {
    describe: (name: string, define: Work) => {
      group = { name, before: [], after: [] }
      define()
    },
    beforeEach: (work: Work) => group.before.push(work),
    afterEach: (work: Work) => group.after.push(work),
    it: (name: string, work: Work) => {
      const { before, after } = group
      cases.push({ name: `${group.name} ${name}`, before, after, work })
    },
    expect,
  })
  for (const suite of [vfs_xAccess, vfs_xOpen, vfs_xClose, vfs_xRead, vfs_xWrite]) suite(contextFor(config))
  const results: CaseResult[] = []
  for (const { name, before, after, work } of cases) {
    let error: string | undefined
    try {
      for (const step of [...before, work]) await step()
    } catch (thrown) {
      error = String(thrown)
    }
    for (const step of after) await step()
    results.push({ name, error })
  }
  return results
}

/** Its `TestContext` starts a worker that knows its own file systems only. */
function contextFor(config: UpstreamConfig): { create(): Promise<object>; destroy(proxy: object): Promise<void> } {
  const workers = new Map<object, Worker>()
  return {
    create: async () => {
      const worker = new Worker(new URL('./file-system.worker.ts', import.meta.url), { type: 'module' })
      const port = await new Promise<MessagePort>((resolve, reject) => {
        worker.onerror = (event) => reject(new Error(event.message))
        worker.onmessage = ({ data, ports }: MessageEvent<{ error?: string }>) =>
          ports[0] ? resolve(ports[0]) : reject(new Error(data.error))
        worker.postMessage(config)
      })
      const proxy = Comlink.wrap<object>(port)
      workers.set(proxy, worker)
      return proxy
    },
    destroy: async (proxy) => {
      workers.get(proxy)!.terminate()
      workers.delete(proxy)
    },
  }
}

interface Expectation {
  toEqual(expected: unknown): void
  toBe(expected: unknown): void
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
    not: { toEqual: (expected) => void (text(actual) !== text(expected) || fail(expected, 'not ')) },
  }
}
