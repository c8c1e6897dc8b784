import { expect, it } from 'vitest'
import { HEAT_SHIFT, HOLDS_DATA, MOVED } from '../../../demo/block-byte.ts'
import { Snapshots } from '../../../demo/mover/snapshots.ts'

const WATCH = { states: (target: Uint8Array) => void target.fill(MOVED), heat: (block: number) => block }

it('puts state, data and heat of a block into one byte', () => {
  const snapshots = new Snapshots(3)
  snapshots.noteData(1, 2)
  expect([...snapshots.take(undefined)!]).toEqual([0, HOLDS_DATA, 0])
  expect([...snapshots.take(WATCH)!]).toEqual([
    MOVED,
    MOVED | HOLDS_DATA | (1 << HEAT_SHIFT),
    MOVED | (2 << HEAT_SHIFT),
  ])
})

it('makes no more pictures than the page draws, except the last', () => {
  const snapshots = new Snapshots(3)
  const first = snapshots.take(WATCH)!
  expect(snapshots.take(WATCH)).toBeDefined()
  expect(snapshots.take(WATCH)).toBeUndefined()
  expect(snapshots.take(WATCH, { must: true })).toBeDefined()
  snapshots.giveBack(first)
  expect(snapshots.take(undefined)).toEqual(Uint8Array.of(0, 0, 0))
})

it('takes back nothing that belongs to an earlier run', () => {
  const snapshots = new Snapshots(3)
  snapshots.take(WATCH)
  snapshots.take(WATCH)
  snapshots.giveBack(new Uint8Array(4))
  expect(snapshots.take(WATCH)).toBeUndefined()
})
