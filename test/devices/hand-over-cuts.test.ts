import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { BLOCK, type Blow, TwoMachines } from './two-machines.ts'

/** Runs a migration that is struck once, goes on over a second connection, and ends; false when it was over before the blow. */
async function strikeOnce(blow: Blow & { send: number }): Promise<boolean> {
  const machines = new TwoMachines(seededRandom(blow.send))
  await machines.bootSource()
  machines.bootDestination()
  let writes = 4
  const writing: Promise<void>[] = []
  const progressHandler = () => {
    if (writes-- > 0 && machines.sourceIsOpen) writing.push(machines.write(1))
  }
  const first = await machines.connect(blow).catch(() => undefined)
  if (first) await machines.move(first, { progressHandler, progressIntervalMs: 0 })
  if (!machines.struck) return false
  await Promise.race([Promise.allSettled(writing), machines.clock.sleep(1000)])
  if (blow.kind === 'kill-source') await machines.bootSource()
  if (blow.kind === 'kill-destination') machines.bootDestination()
  machines.checkOneOwner()
  // Whoever owns the disk goes on.
  await machines.write()
  const { source, destination } = await machines.move(await machines.connect())
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  expect(destination).toMatchObject({ status: 'fulfilled' })
  expect(machines.sourceIsOpen).toBe(false)
  expect(machines.destinationIsOpen).toBe(true)
  await machines.write()
  expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
  return true
}

const blows: Omit<Blow, 'send'>[] = (['source', 'destination'] as const).flatMap((at) =>
  (['cut', 'kill-source', 'kill-destination'] as const).map((kind) => ({ at, kind })),
)

describe('a migration that is struck at any send ends with one owner and every byte:', () => {
  test.each(blows)('$kind before a send of the $at', { timeout: 60_000 }, async (blow) => {
    let send = 1
    for (; await strikeOnce({ ...blow, send }); send++) expect(send).toBeLessThan(1000)
    expect(send).toBeGreaterThan(7)
  })
})
