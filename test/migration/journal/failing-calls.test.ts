import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/async/random.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { mayWrite, type Ownership } from '../../../src/migration/journal/ownership.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { type Fault, FlakyStorage } from '../../support/flaky-storage.ts'
import { migrate, type Place, recover, type Told } from './hand-over-run.ts'

/** What became of a migration in which one call fails. */
interface Outcome {
  readonly isOver: boolean
  readonly code: unknown
  readonly told: Told[]
  readonly images: Map<string, Uint8Array>
}

/** Runs a migration in which the n-th call on any storage fails; `isOver` when there were fewer. */
async function runWithFault(number: number, fault: Fault): Promise<Outcome> {
  let calls = 0
  const disks = new Map<Place, MemoryStorage>()
  const told: Told[] = []
  const storage = (name: Place, content: number | Uint8Array): StorageProvider => {
    const memory = new MemoryStorage(typeof content === 'number' ? content : content.length)
    if (typeof content !== 'number') memory.writeAtSync(content, 0)
    disks.set(name, memory)
    return new FlakyStorage(memory, () => (++calls === number ? fault : undefined))
  }
  const end = await migrate(storage, seededRandom(3), () => 0, told).then(
    () => undefined,
    (error: unknown) => error ?? 'nothing',
  )
  const images = new Map<string, Uint8Array>()
  for (const [name, memory] of disks) {
    const bytes = new Uint8Array(memory.size)
    memory.readAtSync(bytes, 0)
    images.set(name, bytes)
    await memory.close()
  }
  return { isOver: calls < number, code: end === undefined ? undefined : errorCode(end), told, images }
}

const faults: Readonly<Record<string, Fault>> = {
  'fails without effect': {},
  'fails with half an effect': { effect: 0.5 },
  'fails with its whole effect': { effect: 1 },
  'takes fewer bytes than it was given': { how: 'short', effect: 0.5 },
}

describe('a migration in which one storage call', () => {
  it.each(Object.entries(faults))(
    '%s ends well or with a code, and both journals are true',
    async (_, fault) => {
      let number = 1
      let failed = 0
      for (; ; number += number < 12 ? 1 : 3) {
        const { isOver, code, told, images } = await runWithFault(number, fault)
        const where = `call ${number}`
        if (isOver) {
          expect(code, where).toBeUndefined()
          break
        }
        // A fault in the source's own writes is the writer's, and ends the run as any other; nothing goes on silently.
        if (code !== undefined) failed++
        expect(
          [undefined, 'READ_FAILED', 'WRITE_FAILED', 'FLUSH_FAILED', 'SHORT_READ', 'SHORT_WRITE'],
          where,
        ).toContain(code)
        const owners: (Ownership | undefined)[] = []
        for (const side of ['source', 'destination'] as const) {
          if (!images.has(side) || !images.has(`${side} journal`)) continue
          const found = await recover({ at: number, kind: 'kill', images }, side, {})
          expect(found.wrong, `${side}, ${where}`).toEqual([])
          const last = told.filter((entry) => entry.side === side).slice(-2)
          const allowed = [undefined, ...last.map(({ ownership }) => ownership)].map((ownership) =>
            JSON.stringify(ownership),
          )
          expect(allowed, `${side}, ${where}`).toContain(JSON.stringify(found.ownership))
          owners.push(found.ownership)
        }
        expect(owners.filter((ownership) => ownership && mayWrite(ownership)).length, where).toBeLessThan(2)
      }
      expect(number).toBeGreaterThan(100)
      expect(failed).toBeGreaterThan(10)
    },
    120_000,
  )
})
