import type { Bitfield } from '../../src/bitfield/bitfield.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { TrackingStorageProvider } from '../../src/storage/tracking-provider.ts'
import { type ConformanceCase, expectCode, expectNumbers, expectSame, expectThat } from './case.ts'
import { pattern, readBack, writeAll } from './storage-provider-io.ts'

/** The two faces of a tracked disk of zeroes. */
export interface TrackedDisk {
  /** Where the application writes. */
  readonly local: StorageProvider
  /** Where the migrator reads. */
  readonly remote: TrackingStorageProvider
}

/** Makes fresh tracked disks for the suite. */
export interface TrackedDiskFactory {
  create(size: number, blockSize: number): Promise<TrackedDisk>
}

const BLOCK = 4096
/** Twelve blocks and a short one. */
const SIZE = 12 * BLOCK + 1000
const BLOCKS = 13

/** The contract of `TrackingStorageProvider` as cases: what is noticed, when, and what is forgotten. */
export function trackingProviderConformance(factory: TrackedDiskFactory): ConformanceCase[] {
  const cases: ConformanceCase[] = []
  const add = (name: string, body: (disk: TrackedDisk) => Promise<void>) => {
    cases.push({
      name,
      run: async () => {
        const disk = await factory.create(SIZE, BLOCK)
        try {
          await body(disk)
        } finally {
          await disk.local.close()
        }
      },
    })
  }
  const readAll = ({ remote }: TrackedDisk) => readBack(remote, 0, SIZE)

  add('has the size of the disk and the block size asked for', async ({ local, remote }) => {
    expectSame(remote.size, SIZE, 'size')
    expectSame(local.size, SIZE, 'size of the local face')
    expectSame(remote.blockSize, BLOCK, 'block size')
  })

  add('notices no write to a block that was not read', async ({ local, remote }) => {
    await writeAll(local, pattern(SIZE), 0)
    expectDirty(remote, [], 'after writes alone')
  })

  add('notices writes to blocks that were read, and no others', async ({ local, remote }) => {
    await readBack(remote, 2 * BLOCK, 2 * BLOCK)
    await writeAll(local, pattern(5 * BLOCK), BLOCK)
    expectDirty(remote, [2, 3], 'after a write across')
  })

  add('tracks every block that a read touches, were it by a byte', async (disk) => {
    await readBack(disk.remote, 2 * BLOCK - 1, BLOCK + 2)
    await writeAll(disk.local, pattern(SIZE), 0)
    expectDirty(disk.remote, [1, 2, 3], 'after a read of parts')
  })

  add('marks every block that a write touches, were it by a byte', async (disk) => {
    await readAll(disk)
    await writeAll(disk.local, pattern(2), 3 * BLOCK - 1)
    await writeAll(disk.local, pattern(1), SIZE - 1)
    expectDirty(disk.remote, [2, 3, 12], 'after writes of parts')
  })

  add('marks the blocks of a write that crosses the end', async (disk) => {
    await readAll(disk)
    expectSame(await disk.local.writeAt(pattern(2 * BLOCK), 11 * BLOCK), BLOCK + 1000, 'count')
    expectDirty(disk.remote, [11, 12], 'after a clipped write')
  })

  add('marks nothing for writes of no length', async (disk) => {
    await readAll(disk)
    for (const offset of [0, 1, BLOCK, SIZE]) {
      expectSame(await disk.local.writeAt(new Uint8Array(0), offset), 0, `count at ${offset}`)
      expectSame((await disk.local.zeroAt?.(offset, 0)) ?? 0, 0, `count of zeroing at ${offset}`)
    }
    // A block too many is sent twice; one too few would be lost. Neither is needed here.
    expectDirty(disk.remote, [], 'after empty writes')
  })

  add('tracks nothing for a local read', async ({ local, remote }) => {
    await readBack(local, 0, SIZE)
    await writeAll(local, pattern(SIZE), 0)
    expectDirty(remote, [], 'after a local read')
  })

  add('marks nothing for a write through the remote face', async (disk) => {
    await readAll(disk)
    await writeAll(disk.remote, pattern(BLOCK), 0)
    expectDirty(disk.remote, [], 'after a remote write')
    expectNumbers(await readBack(disk.local, 0, BLOCK), pattern(BLOCK), 'the local face shows it')
  })

  add('forgets what sync returned, tracking included', async (disk) => {
    await readAll(disk)
    await writeAll(disk.local, pattern(10), 5 * BLOCK)
    expectDirty(disk.remote, [5], 'first')
    await writeAll(disk.local, pattern(10, 1), 5 * BLOCK)
    await writeAll(disk.local, pattern(10, 1), 6 * BLOCK)
    expectDirty(disk.remote, [6], 'block 5 is nobody’s until it is read again')
    await readBack(disk.remote, 5 * BLOCK, BLOCK)
    await writeAll(disk.local, pattern(10, 2), 5 * BLOCK)
    expectDirty(disk.remote, [5], 'after it was read again')
  })

  add('gives a dirty set of its own each time', async (disk) => {
    await readAll(disk)
    await writeAll(disk.local, pattern(10), 0)
    const first = disk.remote.sync()
    await writeAll(disk.local, pattern(10), BLOCK)
    const second = disk.remote.sync()
    expectNumbers(members(first), [0], 'the first set, later')
    expectNumbers(members(second), [1], 'the second set')
    first.free()
    second.free()
  })

  add('counts dirty blocks and knows each', async (disk) => {
    await readAll(disk)
    await writeAll(disk.local, pattern(BLOCK), 100)
    await writeAll(disk.local, pattern(BLOCK), 100)
    expectSame(disk.remote.dirtyBlocks, 2, 'dirty blocks')
    expectSame(disk.remote.isDirty(1), true, 'block 1')
    expectSame(disk.remote.isDirty(2), false, 'block 2')
    disk.remote.sync().free()
    expectSame(disk.remote.dirtyBlocks, 0, 'dirty blocks after sync')
    expectSame(disk.remote.isDirty(1), false, 'block 1 after sync')
  })

  add('tracks what it is told to, without a read', async ({ local, remote }) => {
    remote.trackAt(4 * BLOCK + 5, BLOCK)
    remote.trackAt(12 * BLOCK, BLOCK)
    remote.trackAt(7 * BLOCK, 0)
    await writeAll(local, pattern(SIZE), 0)
    expectDirty(remote, [4, 5, 12], 'after trackAt')
  })

  add('takes a question for holes for a read', async ({ local, remote }) => {
    if (!remote.extents) return
    await remote.extents(2 * BLOCK, BLOCK + 1)
    await writeAll(local, pattern(SIZE), 0)
    expectDirty(remote, [2, 3], 'after extents')
  })

  add('notices discards and synchronous writes', async (disk) => {
    await readAll(disk)
    const expected: number[] = []
    if (disk.local.zeroAt) {
      await disk.local.zeroAt(BLOCK, 1)
      expected.push(1)
    }
    if (disk.local.writeAtSync) {
      disk.local.writeAtSync(pattern(2), 8 * BLOCK - 1)
      expected.push(7, 8)
    }
    expectDirty(disk.remote, expected, 'after the optional ways to write')
  })

  add('tracks synchronous reads', async ({ local, remote }) => {
    if (!remote.readAtSync) return
    expectSame(remote.readAtSync(new Uint8Array(2), 3 * BLOCK - 1), 2, 'count')
    await writeAll(local, pattern(SIZE), 0)
    expectDirty(remote, [2, 3], 'after a synchronous read')
  })

  add('stays right after calls that are refused', async (disk) => {
    await readAll(disk)
    for (const offset of [-1, Number.NaN, 0.5, SIZE + 1]) {
      await expectCode(() => disk.local.writeAt(pattern(1), offset), 'INVALID_ARGUMENT', `a write at ${offset}`)
      await expectCode(() => disk.remote.readAt(pattern(1), offset), 'INVALID_ARGUMENT', `a read at ${offset}`)
    }
    disk.remote.sync().free()
    await readAll(disk)
    await writeAll(disk.local, pattern(1), 0)
    expectDirty(disk.remote, [0], 'afterwards')
  })

  add('holds writers back while locked, and lets them go on', async ({ local, remote }) => {
    if (!remote.lock) return
    await remote.lock()
    const held = local.writeAt(pattern(10), 0)
    expectNumbers(await readBack(remote, 0, 10), new Uint8Array(10), 'while locked')
    remote.unlock!()
    expectSame(await held, 10, 'count of the held write')
    expectNumbers(await readBack(remote, 0, 10), pattern(10), 'after unlock')
  })

  add('serves one migration at a time', async ({ remote }) => {
    if (!remote.claim) return
    const giveBack = remote.claim()
    await expectCode(() => remote.claim!(), 'BUSY', 'a second claim')
    giveBack()
    remote.claim()()
  })

  add('says that it is closed', async ({ local, remote }) => {
    await local.close()
    await expectCode(() => remote.readAt(new Uint8Array(1), 0), 'CLOSED', 'readAt')
    await expectCode(() => local.writeAt(new Uint8Array(1), 0), 'CLOSED', 'writeAt')
  })

  return cases
}

/** Takes the dirty set and compares it. */
function expectDirty(remote: TrackingStorageProvider, expected: readonly number[], what: string): void {
  const dirty = remote.sync()
  expectSame(dirty.length, BLOCKS, 'length of the dirty set')
  expectNumbers(members(dirty), expected, what)
  dirty.free()
  expectThat(remote.dirtyBlocks === 0, 'nothing is dirty after sync')
}

function members(field: Bitfield): number[] {
  const found: number[] = []
  field.forEachRun((start, count) => {
    for (let block = start; block < start + count; block++) found.push(block)
  })
  return found
}
