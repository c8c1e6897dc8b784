import { currentContext, type StorageCapabilities } from '../../src/sources/capabilities.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { type ConformanceCase, expectCode, expectNumbers, expectSame, expectThat } from './case.ts'
import { EDGE, pattern, readBack, SIZE, writeAll } from './storage-provider-io.ts'
import { checkAgainstModel } from './storage-provider-model.ts'
import { addDiscardCases, addExtentCases, addSynchronousCases } from './storage-provider-optional.ts'

/** Makes fresh disks for the suite; whatever they leave behind is the factory's to clean up. */
export interface StorageFactory {
  readonly capabilities: StorageCapabilities
  /** A new disk of zeroes. */
  create(size: number): Promise<StorageProvider>
  /** Opens the disk of a closed provider again; needed where `capabilities.durable`. */
  reopen?(provider: StorageProvider): Promise<StorageProvider>
}

/**
 * The contract of `StorageProvider` as cases: every source and every wrapper starts by passing it.
 * Optional members are checked against the capabilities: one that is promised and absent fails, as does one that is present and wrong.
 */
export function storageProviderConformance(factory: StorageFactory): ConformanceCase[] {
  const { capabilities } = factory
  const cases: ConformanceCase[] = []
  const add = (name: string, body: (disk: StorageProvider) => Promise<void>, size = SIZE) => {
    cases.push({
      name,
      run: async () => {
        const disk = await factory.create(size)
        try {
          await body(disk)
        } finally {
          await disk.close()
        }
      },
    })
  }

  add('has the size it was made with', async (disk) => expectSame(disk.size, SIZE, 'size'))

  add('reads zeroes where nothing was written', async (disk) => {
    expectNumbers(await readBack(disk, 0, SIZE), new Uint8Array(SIZE), 'the whole disk')
    await writeAll(disk, pattern(10), 100_000)
    expectNumbers(await readBack(disk, 99_990, 10), new Uint8Array(10), 'before the write')
    expectNumbers(await readBack(disk, 100_010, 10), new Uint8Array(10), 'after the write')
  })

  for (const [offset, length] of [
    [0, 1],
    [1, 511],
    [511, 2],
    [4095, 4098],
    [EDGE - 1, 2],
    [EDGE, EDGE],
    [EDGE - 3, 2 * EDGE + 6],
    [SIZE - 1, 1],
    [0, SIZE],
  ] as const) {
    add(`keeps ${length} bytes written at ${offset}, and nothing beside them`, async (disk) => {
      const data = pattern(length, offset)
      await writeAll(disk, data, offset)
      const expected = new Uint8Array(SIZE)
      expected.set(data, offset)
      expectNumbers(await readBack(disk, 0, SIZE), expected, 'the whole disk')
      expectNumbers(await readBack(disk, offset, length), data, 'the range')
    })
  }

  add('keeps what a partial write does not cover', async (disk) => {
    const expected = pattern(SIZE)
    await writeAll(disk, expected, 0)
    for (const [offset, length] of [
      [10, 1],
      [EDGE - 5, 10],
      [EDGE + 100, EDGE],
    ] as const) {
      const data = pattern(length, 99)
      await writeAll(disk, data, offset)
      expected.set(data, offset)
    }
    expectNumbers(await readBack(disk, 0, SIZE), expected, 'the whole disk')
  })

  add('stores zeroes over data', async (disk) => {
    const expected = pattern(3 * EDGE)
    await writeAll(disk, expected, 0)
    await writeAll(disk, new Uint8Array(EDGE + 2), EDGE - 1)
    expected.fill(0, EDGE - 1, 2 * EDGE + 1)
    expectNumbers(await readBack(disk, 0, 3 * EDGE), expected, 'around the zeroes')
  })

  add('clips a range that crosses the end and says so', async (disk) => {
    expectSame(await disk.writeAt(pattern(100), SIZE - 40), 40, 'count of the write')
    const target = new Uint8Array(100).fill(0xee)
    expectSame(await disk.readAt(target, SIZE - 40), 40, 'count of the read')
    expectNumbers(target.subarray(0, 40), pattern(40), 'the bytes inside')
    expectNumbers(target.subarray(40), new Uint8Array(60).fill(0xee), 'the rest of the target, untouched')
  })

  add('takes an offset equal to the size as an empty range', async (disk) => {
    expectSame(await disk.readAt(new Uint8Array(5), SIZE), 0, 'count of the read')
    expectSame(await disk.writeAt(new Uint8Array(5), SIZE), 0, 'count of the write')
  })

  add('takes length 0 as a no-op', async (disk) => {
    for (const offset of [0, 17, SIZE]) {
      expectSame(await disk.readAt(new Uint8Array(0), offset), 0, `count of a read at ${offset}`)
      expectSame(await disk.writeAt(new Uint8Array(0), offset), 0, `count of a write at ${offset}`)
    }
  })

  for (const offset of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, SIZE + 1]) {
    add(`refuses offset ${offset} with a RangeError`, async (disk) => {
      const calls: [string, () => unknown][] = [
        ['readAt', () => disk.readAt(new Uint8Array(1), offset)],
        ['writeAt', () => disk.writeAt(new Uint8Array(1), offset)],
        ['empty writeAt', () => disk.writeAt(new Uint8Array(0), offset)],
      ]
      if (disk.zeroAt) calls.push(['zeroAt', () => disk.zeroAt!(offset, 1)])
      if (disk.extents) calls.push(['extents', () => disk.extents!(offset, 1)])
      if (disk.readAtSync) calls.push(['readAtSync', () => disk.readAtSync!(new Uint8Array(1), offset)])
      if (disk.writeAtSync) calls.push(['writeAtSync', () => disk.writeAtSync!(new Uint8Array(1), offset)])
      for (const [name, call] of calls) {
        const error = await expectCode(call, 'INVALID_ARGUMENT', name)
        expectThat(error instanceof RangeError, `${name} rejects with a RangeError`)
      }
    })
  }

  add('rejects instead of throwing', async (disk) => {
    const promises = [disk.readAt(new Uint8Array(1), -1), disk.writeAt(new Uint8Array(1), -1)]
    for (const promise of promises) await expectCode(() => promise, 'INVALID_ARGUMENT', 'a bad offset')
  })

  add('rejects every call with CLOSED after close, and close again is fine', async (disk) => {
    await disk.close()
    await disk.close()
    await expectCode(() => disk.readAt(new Uint8Array(1), 0), 'CLOSED', 'readAt')
    await expectCode(() => disk.writeAt(new Uint8Array(1), 0), 'CLOSED', 'writeAt')
    await expectCode(() => disk.readAt(new Uint8Array(0), 0), 'CLOSED', 'empty readAt')
    await expectCode(() => disk.flush(), 'CLOSED', 'flush')
    if (disk.zeroAt) await expectCode(() => disk.zeroAt!(0, 1), 'CLOSED', 'zeroAt')
    if (disk.extents) await expectCode(() => disk.extents!(0, 1), 'CLOSED', 'extents')
    if (disk.readAtSync) await expectCode(() => disk.readAtSync!(new Uint8Array(1), 0), 'CLOSED', 'readAtSync')
    if (disk.writeAtSync) await expectCode(() => disk.writeAtSync!(new Uint8Array(1), 0), 'CLOSED', 'writeAtSync')
    if (disk.flushSync) await expectCode(() => disk.flushSync!(), 'CLOSED', 'flushSync')
  })

  add('settles every call that close overtakes', async (disk) => {
    const calls = [
      ...[0, 1, 2].map((index) => disk.writeAt(pattern(EDGE), index * EDGE)),
      ...[0, 1, 2].map((index) => disk.readAt(new Uint8Array(EDGE), index * EDGE)),
      disk.flush(),
    ]
    const settled = Promise.allSettled(calls)
    await disk.close()
    for (const call of await settled) {
      if (call.status === 'rejected') await expectCode(() => Promise.reject(call.reason), 'CLOSED', 'a call under way')
    }
  })

  add('leaves the data to the caller once a write settled', async (disk) => {
    for (const [offset, length] of [
      [0, EDGE],
      [EDGE + 7, 100],
      [EDGE * 2, EDGE + 9],
    ] as const) {
      const data = pattern(length, offset)
      await writeAll(disk, data, offset)
      data.fill(0xdd)
      expectNumbers(await readBack(disk, offset, length), pattern(length, offset), `written at ${offset}`)
    }
  })

  add('keeps no view of what it read', async (disk) => {
    await writeAll(disk, pattern(EDGE), 0)
    const first = await readBack(disk, 0, EDGE)
    first.fill(0xdd)
    expectNumbers(await readBack(disk, 0, EDGE), pattern(EDGE), 'after the target was overwritten')
    await writeAll(disk, pattern(EDGE, 5), 0)
    expectNumbers(first, new Uint8Array(EDGE).fill(0xdd), 'the target after a later write')
  })

  add('reads and writes views into larger buffers', async (disk) => {
    const large = new Uint8Array(4 * EDGE).fill(0xaa)
    large.set(pattern(EDGE + 100), 1000)
    await writeAll(disk, large.subarray(1000, 1000 + EDGE + 100), 0)
    expectNumbers(await readBack(disk, 0, EDGE + 200), [...pattern(EDGE + 100), ...new Uint8Array(100)], 'the disk')
    const target = new Uint8Array(2 * EDGE).fill(0xaa)
    expectSame(await disk.readAt(target.subarray(500, 500 + EDGE), 50), EDGE, 'count')
    expectNumbers(target.subarray(500, 500 + EDGE), pattern(EDGE + 50).subarray(50), 'inside the view')
    expectThat(
      target.subarray(0, 500).every((byte) => byte === 0xaa) &&
        target.subarray(500 + EDGE).every((byte) => byte === 0xaa),
      'bytes outside the view stay',
    )
  })

  add('loses none of two partial writes into one record at once', async (disk) => {
    const expected = new Uint8Array(2 * EDGE)
    const writes: Promise<number>[] = []
    for (let offset = 0; offset < expected.length; offset += 1000) {
      const data = pattern(Math.min(500, expected.length - offset), offset)
      expected.set(data, offset)
      writes.push(disk.writeAt(data, offset))
    }
    await Promise.all(writes)
    expectNumbers(await readBack(disk, 0, expected.length), expected, 'after all writes')
  })

  add('lets the last of several writes to one range win', async (disk) => {
    for (const [offset, length] of [
      [0, EDGE],
      [100, 50],
      [EDGE - 50, EDGE + 100],
    ] as const) {
      await Promise.all(Array.from({ length: 8 }, (_, turn) => disk.writeAt(pattern(length, turn), offset)))
      expectNumbers(await readBack(disk, offset, length), pattern(length, 7), `${length} bytes at ${offset}`)
    }
  })

  add('keeps the order of overlapping writes of different shape', async (disk) => {
    const expected = new Uint8Array(SIZE)
    const writes: Promise<number>[] = []
    for (const [offset, length] of [
      [0, SIZE],
      [EDGE - 10, 20],
      [EDGE, EDGE],
      [EDGE + 5, 10],
      [0, EDGE],
      [EDGE - 1, EDGE + 2],
      [3 * EDGE, EDGE],
      [3 * EDGE + 1, 1],
    ] as const) {
      const data = pattern(length, offset + length)
      expected.set(data, offset)
      writes.push(disk.writeAt(data, offset))
    }
    await Promise.all(writes)
    expectNumbers(await readBack(disk, 0, SIZE), expected, 'the whole disk')
  })

  add('serves many neighbouring reads and writes at once', async (disk) => {
    const piece = 3000
    const count = Math.floor(SIZE / piece)
    await Promise.all(Array.from({ length: count }, (_, index) => disk.writeAt(pattern(piece, index), index * piece)))
    const targets = Array.from({ length: count }, () => new Uint8Array(piece))
    await Promise.all(targets.map((target, index) => disk.readAt(target, index * piece)))
    for (const [index, target] of targets.entries()) expectNumbers(target, pattern(piece, index), `piece ${index}`)
  })

  add('shows a write to every read issued after it settled', async (disk) => {
    const others = Array.from({ length: 4 }, (_, index) => disk.writeAt(pattern(EDGE, index), index * EDGE))
    await writeAll(disk, pattern(200, 3), EDGE + 100)
    expectNumbers(await readBack(disk, EDGE + 100, 200), pattern(200, 3), 'right after')
    await Promise.all(others)
    expectNumbers(await readBack(disk, EDGE + 100, 200), pattern(200, 3), 'when all have settled')
  })

  add('takes cancelWrites as advice', async (disk) => {
    const older = disk.writeAt(pattern(EDGE), 0).catch(() => {})
    disk.cancelWrites(0, EDGE)
    await writeAll(disk, pattern(EDGE, 1), 0)
    await older
    expectNumbers(await readBack(disk, 0, EDGE), pattern(EDGE, 1), 'the newer data')
  })

  add('refuses a call whose signal has fired, with ABORTED', async (disk) => {
    const signal = AbortSignal.abort()
    await expectCode(() => disk.writeAt(pattern(10), 0, { signal }), 'ABORTED', 'writeAt')
    await expectCode(() => disk.readAt(new Uint8Array(10), 0, { signal }), 'ABORTED', 'readAt')
    expectNumbers(await readBack(disk, 0, 10), new Uint8Array(10), 'nothing was written')
  })

  add('settles a call whose signal fires meanwhile, as done or with ABORTED', async (disk) => {
    const abort = new AbortController()
    const { signal } = abort
    const calls = [0, 1, 2].map((index) => disk.writeAt(pattern(EDGE), index * EDGE, { signal }))
    calls.push(disk.readAt(new Uint8Array(EDGE), 0, { signal }))
    abort.abort()
    for (const call of await Promise.allSettled(calls)) {
      if (call.status === 'fulfilled') expectSame(call.value, EDGE, 'count of a call that was done')
      else await expectCode(() => Promise.reject(call.reason), 'ABORTED', 'a call that was not')
    }
    await writeAll(disk, pattern(10, 1), 5)
    expectNumbers(await readBack(disk, 5, 10), pattern(10, 1), 'a write after the abort')
  })

  add('flushes an empty and a written disk', async (disk) => {
    await disk.flush()
    await writeAll(disk, pattern(10), 0)
    await Promise.all([disk.flush(), disk.flush()])
    expectNumbers(await readBack(disk, 0, 10), pattern(10), 'after flush')
  })

  if (capabilities.durable) {
    cases.push({
      name: 'has flushed bytes again after closing and opening',
      run: async () => {
        expectThat(factory.reopen !== undefined, 'a durable source can be opened again')
        const first = await factory.create(SIZE)
        const expected = new Uint8Array(SIZE)
        expected.set(pattern(EDGE + 5), EDGE - 2)
        expected.set(pattern(9), SIZE - 9)
        await writeAll(first, pattern(EDGE + 5), EDGE - 2)
        await writeAll(first, pattern(9), SIZE - 9)
        await first.flush()
        await first.close()
        const second = await factory.reopen!(first)
        try {
          expectSame(second.size, SIZE, 'size')
          expectNumbers(await readBack(second, 0, SIZE), expected, 'the whole disk')
        } finally {
          await second.close()
        }
      },
    })
  }

  if (capabilities.largestSize > 2 ** 32) {
    const size = 2 ** 32 + 3 * EDGE + 12_345
    const write = async (disk: StorageProvider) => {
      for (const offset of [2 ** 31 - 5, 2 ** 32 - 5, 2 ** 32 + EDGE, size - 10]) {
        await writeAll(disk, pattern(10, offset % 1000), offset)
      }
      for (const offset of [2 ** 31 - 5, 2 ** 32 - 5, 2 ** 32 + EDGE, size - 10]) {
        expectNumbers(await readBack(disk, offset, 10), pattern(10, offset % 1000), `at ${offset}`)
      }
      expectNumbers(await readBack(disk, EDGE, 10), new Uint8Array(10), 'at the same offset modulo 2^32')
    }
    add('keeps offsets beyond 2^32 apart from those below', write, size)
  }

  const promised = (member: keyof StorageProvider, isPromised: boolean) =>
    add(`${isPromised ? 'has' : 'lacks'} ${member}, as its capabilities say`, async (disk) => {
      expectSame(disk[member] !== undefined, isPromised, `presence of ${member}`)
    })
  promised('zeroAt', capabilities.discard)
  promised('extents', capabilities.extents)
  const synchronous = capabilities.synchronous.includes(currentContext())
  for (const member of ['readAtSync', 'writeAtSync', 'flushSync'] as const) promised(member, synchronous)

  if (capabilities.discard) addDiscardCases(add)
  if (capabilities.extents) addExtentCases(add)
  if (synchronous) addSynchronousCases(add)

  for (const seed of [1, 20_240_229, 0xb10cf]) {
    add(`agrees with a plain array under random calls, seed ${seed}`, (disk) => checkAgainstModel(disk, seed))
  }
  return cases
}
