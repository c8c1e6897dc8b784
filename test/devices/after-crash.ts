import { expect } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import type { MigrationStrategy } from '../../src/migration/live-options.ts'
import { readFully } from '../../src/storage/sequential-reader.ts'
import { type CrashKind, CrashWorld } from '../support/crash-world.ts'
import { type Blow, TwoMachines } from './two-machines.ts'

type Side = Blow['at']

/** What is left of two machines, and how each of them was stopped. */
export interface Remains {
  readonly images: ReadonlyMap<string, Uint8Array>
  readonly kinds: Readonly<Record<Side, CrashKind>>
  readonly blocks: number
  readonly seed: number
}

/** Whose storage this is. */
export function sideOf(name: string): Side {
  return name.startsWith('near') ? 'source' : 'destination'
}

/**
 * Starts both machines from what is left of them: one of them at most may write. Has the disk moved, if it has not been; then the destination has
 * everything. Resolves with that, and with who could write before they talked.
 */
export async function goOn(
  { images, kinds, blocks, seed }: Remains,
  strategy: MigrationStrategy,
): Promise<{ found: Uint8Array; owner: Side | 'neither' }> {
  const machines = new TwoMachines(seededRandom(seed), blocks, {
    storage: (name) => new CrashWorld().storage(name, images.get(name)!),
    bootId: (name) => (kinds[sideOf(name)] === 'kill' ? 'one' : 'next'),
  })
  await machines.bootSource()
  machines.bootDestination()
  await machines.reopenDestination()
  machines.checkOneOwner()
  const owner = machines.sourceIsOpen ? 'source' : machines.destinationIsOpen ? 'destination' : 'neither'
  const { source, destination } = await machines.move(await machines.connect(), { strategy })
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  expect(destination).toMatchObject({ status: 'fulfilled' })
  await machines.arriving.whole
  expect([machines.sourceIsOpen, machines.destinationIsOpen]).toEqual([false, true])
  const found = new Uint8Array(machines.shadow.size)
  await readFully(machines.far.disk, found, 0)
  return { found, owner }
}
