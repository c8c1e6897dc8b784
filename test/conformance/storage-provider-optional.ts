import type { StorageProvider } from '../../src/storage/provider.ts'
import { expectNumbers, expectSame, expectThat } from './case.ts'
import { EDGE, pattern, readBack, SIZE, writeAll } from './storage-provider-io.ts'

/** Adds a case that gets a fresh disk of `SIZE` bytes. */
export type AddCase = (name: string, body: (disk: StorageProvider) => Promise<void>) => void

/** Cases for `zeroAt`. */
export function addDiscardCases(add: AddCase): void {
  add('zeroes a range, clipped at the end, and nothing beside it', async (disk) => {
    const expected = pattern(SIZE)
    await writeAll(disk, expected, 0)
    for (const [offset, length] of [
      [0, 1],
      [100, 1000],
      [EDGE - 1, EDGE + 2],
      [2 * EDGE + 10, 2 * EDGE],
      [SIZE - 5, 100],
      [SIZE, 5],
      [50_000, 0],
    ] as const) {
      const clipped = Math.min(length, SIZE - offset)
      expectSame(await disk.zeroAt!(offset, length), clipped, `count of zeroAt(${offset}, ${length})`)
      expected.fill(0, offset, offset + clipped)
      expectNumbers(await readBack(disk, 0, SIZE), expected, `after zeroAt(${offset}, ${length})`)
    }
  })

  add('keeps zeroes and writes issued together in their order', async (disk) => {
    await writeAll(disk, pattern(3 * EDGE), 0)
    const calls = [
      disk.zeroAt!(10, 2 * EDGE),
      disk.writeAt(pattern(EDGE, 4), EDGE),
      disk.zeroAt!(EDGE + 100, 100),
      disk.writeAt(pattern(10, 5), EDGE + 150),
    ]
    await Promise.all(calls)
    const expected = pattern(3 * EDGE)
    expected.fill(0, 10, 10 + 2 * EDGE)
    expected.set(pattern(EDGE, 4), EDGE)
    expected.fill(0, EDGE + 100, EDGE + 200)
    expected.set(pattern(10, 5), EDGE + 150)
    expectNumbers(await readBack(disk, 0, 3 * EDGE), expected, 'after all')
  })
}

/** Cases for `extents`. */
export function addExtentCases(add: AddCase): void {
  const covers = async (disk: StorageProvider, offset: number, length: number) => {
    const content = await readBack(disk, offset, Math.min(length, SIZE - offset))
    const covered = new Uint8Array(content.length)
    let end = offset
    for (const extent of await disk.extents!(offset, length)) {
      expectThat(extent.length > 0, `an extent is not empty (at ${extent.offset})`)
      expectThat(extent.offset >= end, `extents ascend and are disjoint (${extent.offset} after ${end})`)
      end = extent.offset + extent.length
      expectThat(end <= offset + content.length, `extents stay inside the clipped range (${end})`)
      covered.fill(1, extent.offset - offset, end - offset)
    }
    for (let index = 0; index < content.length; index++) {
      if (content[index] !== 0) expectThat(covered[index] === 1, `byte ${offset + index} is covered by an extent`)
    }
  }
  add('covers every non-zero byte by extents that ascend, are disjoint and inside', async (disk) => {
    await covers(disk, 0, SIZE)
    for (const [offset, length] of [
      [5, 1],
      [EDGE - 1, 2],
      [3 * EDGE + 100, 700],
      [SIZE - 1, 1],
    ] as const) {
      await writeAll(disk, pattern(length), offset)
    }
    for (const [offset, length] of [
      [0, SIZE],
      [0, 5],
      [3, EDGE],
      [EDGE, 3 * EDGE],
      [3 * EDGE + 200, SIZE],
      [SIZE - 1, 1],
      [SIZE, 1],
      [7, 0],
    ] as const) {
      await covers(disk, offset, length)
    }
  })
}

/** Cases for the synchronous twins. */
export function addSynchronousCases(add: AddCase): void {
  add('answers the same through its synchronous twins', async (disk) => {
    expectSame(disk.writeAtSync!(pattern(EDGE + 5), EDGE - 2), EDGE + 5, 'count of writeAtSync')
    expectNumbers(await readBack(disk, EDGE - 2, EDGE + 5), pattern(EDGE + 5), 'written by the twin')
    await writeAll(disk, pattern(100, 1), EDGE)
    const target = new Uint8Array(100)
    expectSame(disk.readAtSync!(target, EDGE), 100, 'count of readAtSync')
    expectNumbers(target, pattern(100, 1), 'read by the twin')
    expectSame(disk.writeAtSync!(pattern(100), SIZE - 40), 40, 'clipped count of writeAtSync')
    expectSame(disk.readAtSync!(target, SIZE - 40), 40, 'clipped count of readAtSync')
    expectSame(disk.readAtSync!(new Uint8Array(0), SIZE), 0, 'empty readAtSync')
    disk.flushSync!()
  })
}
