import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/async/random.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import {
  decodeJournalRecord,
  encodeJournalRecord,
  type JournalRecord,
} from '../../../src/migration/journal/journal-record.ts'
import {
  begin,
  commit,
  complete,
  type Ownership,
  ownDisk,
  prepare,
  receive,
  takeOver,
} from '../../../src/migration/journal/ownership.ts'
import { decodeOwnership, encodeOwnership } from '../../../src/migration/journal/ownership-record.ts'
import { PAGE_KIND, PageMap } from '../../../src/migration/journal/page-map.ts'
import { AFTER_SLOTS, RecordSlots, spareBytes } from '../../../src/migration/journal/record-slots.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { createBlockHasher } from '../../../src/storage/block-hasher.ts'

const hasher = await createBlockHasher()
const disk = { diskId: '0123456789abcdef'.repeat(2), size: 2 ** 40 - 5, blockSize: 65536 }
const migration = { id: 'fedcba9876543210'.repeat(2), key: 'c'.repeat(32) }
const receiving = receive(undefined, disk, 2 ** 40, migration)

const owned: Readonly<Record<string, Ownership>> = {
  'an owner': ownDisk(disk),
  'an owner that moves': begin(ownDisk(disk), migration),
  'a receiver': receiving,
  'a prepared side': prepare(receiving, { root: '9'.repeat(32), missing: true }),
  'an owner that received': commit(prepare(receiving, { root: '0'.repeat(32) })),
  'an owner that settles': complete(commit(prepare(receiving, { missing: true }))),
  'a forced owner': takeOver(receiving),
  'an owner that moves what came to it': begin(commit(prepare(receiving, {})), {
    id: '7'.repeat(32),
    key: '8'.repeat(32),
  }),
}

describe('the record of an ownership', () => {
  it.each(Object.entries(owned))('of %s comes back', (_, ownership) => {
    expect(decodeOwnership(encodeOwnership(ownership))).toEqual(ownership)
  })

  it('has its fields where the drawing says', () => {
    const bytes = Buffer.from(encodeOwnership(owned['a prepared side']!)).toString('hex')
    const drawn = [
      '02 07', // prepared; migration, root, missing
      '0123456789abcdef0123456789abcdef', // disk
      '00000000 00010000', // epoch 2^40
      'fbffffff ff000000', // size 2^40 - 5
      '00000100', // block size
      'fedcba9876543210fedcba9876543210', // migration
      'cccccccccccccccccccccccccccccccc', // key
      '01000000 00010000', // next epoch
      '99999999999999999999999999999999', // root
      '00'.repeat(40), // no origin
    ]
    expect(bytes).toBe(drawn.join('').replaceAll(' ', ''))
    const moving = Buffer.from(encodeOwnership(owned['an owner that moves what came to it']!)).toString('hex')
    const origin = [
      'fedcba9876543210fedcba9876543210', // migration
      'cccccccccccccccccccccccccccccccc', // key
      '01000000 00010000', // next epoch
    ]
    expect(moving.slice(0, 4)).toBe('0021') // owner; migration, origin
    expect(moving.slice(2 * 94)).toBe(origin.join('').replaceAll(' ', ''))
  })

  it('has one form only: what it never writes is nothing', () => {
    const bytes = encodeOwnership(ownDisk(disk))
    for (const [at, value] of [
      [0, 5],
      [1, 64],
      [1, 2],
      [40, 1],
      [60, 1],
      [72, 1],
      [90, 1],
      [100, 1],
      [130, 1],
      [25, 255],
      [33, 255],
    ] as const) {
      const changed = bytes.slice()
      changed[at] = value
      const found = decodeOwnership(changed)
      // A root that is announced and zero is a root.
      if (at === 1 && value === 2) expect(found?.root).toBe('0'.repeat(32))
      else expect(found, `byte ${at}`).toBeUndefined()
    }
    expect(decodeOwnership(bytes.subarray(1))).toBeUndefined()
    expect(() => encodeOwnership({ ...ownDisk(disk), diskId: 'x' })).toThrow(RangeError)
  })
})

describe('a page map', () => {
  it('comes back whatever it holds', () => {
    const random = seededRandom(5)
    for (let round = 0; round < 200; round++) {
      const pages = 1 + Math.floor(random() * 3000)
      const map = new PageMap(pages)
      const share = random() ** 3
      let kind = 0
      for (let page = 0; page < pages; page++) {
        if (random() < share) kind = Math.floor(random() * 5)
        map.set(page, kind as 0 | 1 | 2 | 3 | 4)
      }
      const bytes = map.encode()
      expect(bytes.length).toBeLessThanOrEqual(pages)
      const again = PageMap.decode(bytes, pages)!
      for (let page = 0; page < pages; page++) expect(again.kind(page)).toBe(map.kind(page))
      expect(PageMap.decode(bytes, pages + 1)).toBeUndefined()
      expect(PageMap.decode(bytes, pages - 1)).toBeUndefined()
      expect(PageMap.decode(bytes.subarray(0, -1), pages)).toBeUndefined()
    }
  })

  it('sets and visits runs as it would page by page', () => {
    const random = seededRandom(6)
    for (let round = 0; round < 300; round++) {
      const pages = 1 + Math.floor(random() * 60)
      const map = new PageMap(pages)
      const model = new Array<number>(pages).fill(PAGE_KIND.none)
      for (let step = 0; step < 12; step++) {
        const first = Math.floor(random() * pages)
        const count = Math.floor(random() * (pages - first + 1))
        const kind = Math.floor(random() * 5) as 0 | 1 | 2 | 3 | 4
        const before = model.join()
        model.fill(kind, first, first + count)
        expect(map.setRun(first, count, kind)).toBe(model.join() !== before)
        const visited: number[] = []
        let last = -1
        map.forEachRun((first, count, kind) => {
          expect([first, kind === last]).toEqual([visited.length, false])
          for (let page = 0; page < count; page++) visited.push(kind)
          last = kind
        })
        expect(visited).toEqual(model)
        for (const each of Object.values(PAGE_KIND)) expect(map.holds(each)).toBe(model.includes(each))
      }
    }
  })

  it('of a terabyte of zeroes is a few bytes', () => {
    const map = new PageMap(65536)
    for (let page = 0; page < 65536; page++) map.set(page, PAGE_KIND.zero)
    expect(map.encode()).toHaveLength(3)
  })

  it('has one form only', () => {
    const map = new PageMap(2)
    expect([...map.encode()]).toEqual([0x08])
    expect(PageMap.decode(new Uint8Array([0x00, 0x00]), 2), 'one run told as two').toBeUndefined()
    expect(PageMap.decode(new Uint8Array([0x88, 0x00]), 2), 'a number longer than it need be').toBeUndefined()
  })

  it('refuses numbers without an end', () => {
    expect(PageMap.decode(new Uint8Array(100).fill(0xff), 5)).toBeUndefined()
    expect(PageMap.decode(new Uint8Array([0x80]), 1)).toBeUndefined()
  })
})

describe('the record of a journal', () => {
  const record: JournalRecord = {
    size: disk.size,
    blockSize: disk.blockSize,
    ownership: owned['a prepared side'],
    bootId: 'ünïcode',
    forgetsLazily: true,
    life: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]),
    stamp: 2 ** 50,
    flushed: 17,
    pages: new PageMap(65536),
  }

  it('comes back', () => {
    expect(decodeJournalRecord(encodeJournalRecord(record))).toEqual(record)
    const bare = { ...record, ownership: undefined, bootId: '', forgetsLazily: false }
    expect(decodeJournalRecord(encodeJournalRecord(bare))).toEqual(bare)
  })

  it('comes back with a boot that begins with a byte order mark', () => {
    const marked = { ...record, bootId: '\ufeffboot' }
    expect(decodeJournalRecord(encodeJournalRecord(marked))).toEqual(marked)
  })

  it('has one form only: what it never writes is nothing', () => {
    const bytes = encodeJournalRecord({ ...record, ownership: undefined })
    for (const [what, at, value] of [
      ['a boot that is not UTF-8', 38, 0xff],
      ['bytes behind the boot', 38 + 63, 1],
      ['an ownership that is said not to be there', 38 + 64 + 50, 1],
    ] as const) {
      const changed = bytes.slice()
      changed[at] = value
      expect(decodeJournalRecord(changed), what).toBeUndefined()
    }
    const invalid = bytes.slice().fill(0xff, 38, 38 + 64)
    invalid[37] = 64
    expect(decodeJournalRecord(invalid), 'a boot that grows by being read').toBeUndefined()
  })

  it('is nothing when cut, and takes no memory for what it only claims', () => {
    const bytes = encodeJournalRecord(record)
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeJournalRecord(bytes.subarray(0, length))).toBeUndefined()
    }
    const huge = encodeJournalRecord({ ...record, size: Number.MAX_SAFE_INTEGER, blockSize: 512 })
    expect(decodeJournalRecord(huge)).toBeUndefined()
  })

  it('never throws, whatever the bytes', () => {
    const random = seededRandom(77)
    const bytes = encodeJournalRecord(record)
    for (let round = 0; round < 5000; round++) {
      const changed = bytes.slice()
      for (let flips = 1 + Math.floor(random() * 4); flips > 0; flips--) {
        changed[Math.floor(random() * changed.length)] = Math.floor(random() * 256)
      }
      expect(() => decodeJournalRecord(changed)).not.toThrow()
    }
  })
})

describe('record slots', () => {
  /** Longer than a slot, so that its rest lies in the spare room. */
  const LENGTH = 5000
  const size = AFTER_SLOTS + 3 * spareBytes(LENGTH)
  const bytesOf = (value: number, length = LENGTH) => new Uint8Array(length).fill(value)
  /** Far quicker than to compare arrays with `toEqual`. */
  const isAll = (record: Uint8Array | undefined, value: number, length = LENGTH) =>
    record !== undefined && Buffer.compare(record, bytesOf(value, length)) === 0
  const write = (slots: RecordSlots, record: Uint8Array) => slots.write(record, AFTER_SLOTS, spareBytes(LENGTH))

  /** A place with records 1, 2 and 3, the second of them flushed; with the bytes of each moment. */
  async function written(length = LENGTH): Promise<{ place: MemoryStorage; image: Uint8Array }> {
    const place = new MemoryStorage(size)
    const slots = new RecordSlots(place, hasher)
    for (const value of [1, 2, 3]) {
      await write(slots, bytesOf(value, length))
      if (value < 3) await slots.flush()
    }
    const image = new Uint8Array(size)
    await place.readAt(image, 0)
    return { place, image }
  }

  it('give back the latest', async () => {
    const { place } = await written()
    expect(isAll(await new RecordSlots(place, hasher).read(), 3)).toBe(true)
    expect(await new RecordSlots(new MemoryStorage(size), hasher).read()).toBeUndefined()
  })

  it.each([LENGTH, 100])('with any byte of the latest broken give back the one before: %i bytes', async (length) => {
    const { place, image } = await written(length)
    let old = 0
    for (let at = 0; at < size; at++) {
      // Between the records lie only zeroes, and most of a record is alike.
      if (image[at] === 0 || (at % 4096 > 200 && at % 13 !== 0)) continue
      await place.writeAt(new Uint8Array([image[at]! ^ (1 << (at % 8))]), at)
      const record = await new RecordSlots(place, hasher).read()
      expect(isAll(record, 2, length) || isAll(record, 3, length)).toBe(true)
      if (record![0] === 2) old++
      await place.writeAt(image.subarray(at, at + 1), at)
    }
    expect(old).toBeGreaterThan(60)
  })

  it('torn at any byte give back the one before or the one after', async () => {
    const { image } = await written()
    const place = new MemoryStorage(size)
    await place.writeAt(image, 0)
    const slots = new RecordSlots(place, hasher)
    await slots.read()
    await slots.flush()
    await write(slots, bytesOf(4))
    const after = new Uint8Array(size)
    await place.readAt(after, 0)
    const changed = [...after.keys()].filter((at) => after[at] !== image[at])
    for (let count = 0; count <= changed.length; count += count > changed.length - 50 || count < 100 ? 1 : 61) {
      const torn = image.slice()
      for (const at of changed.slice(0, count)) torn[at] = after[at]!
      await place.writeAt(torn, 0)
      const record = await new RecordSlots(place, hasher).read()
      expect(isAll(record, count === changed.length ? 4 : 3)).toBe(true)
    }
  })

  it('never write over the last durable record, nor over the last one', async () => {
    const place = new MemoryStorage(size)
    const slots = new RecordSlots(place, hasher)
    await write(slots, bytesOf(1))
    await slots.flush()
    const durable = new Uint8Array(4096)
    await place.readAt(durable, 0)
    for (const value of [2, 3, 4, 5]) {
      await write(slots, bytesOf(value))
      const now = new Uint8Array(4096)
      await place.readAt(now, 0)
      expect(Buffer.compare(now, durable)).toBe(0)
      expect(isAll(await new RecordSlots(place, hasher).read(), value)).toBe(true)
    }
  })

  it('killed in the middle of a write leave the last one, also where it was not flushed', async () => {
    const { place, image } = await written()
    const slots = new RecordSlots(place, hasher)
    await slots.read()
    await slots.flush()
    await write(slots, bytesOf(4))
    await place.readAt(image, 0)
    await write(slots, bytesOf(5))
    const after = new Uint8Array(size)
    await place.readAt(after, 0)
    for (let at = 0; at < size; at += 512) {
      // All of the write but one sector.
      const torn = after.slice()
      torn.set(image.subarray(at, at + 512), at)
      await place.writeAt(torn, 0)
      const record = await new RecordSlots(place, hasher).read()
      expect(isAll(record, 4) || isAll(record, 5), `at ${at}`).toBe(true)
    }
  })

  it('refuse a place in which records were and none is whole', async () => {
    const { place } = await written()
    for (const slot of [0, 1, 2]) await place.writeAt(new Uint8Array([1]), slot * 4096 + 60)
    const end = await new RecordSlots(place, hasher).read().then(() => 'read', errorCode)
    expect(end).toBe('CORRUPT')
  })

  it('take any bytes for what they are worth', async () => {
    const random = seededRandom(3)
    for (let round = 0; round < 300; round++) {
      const { place, image } = round % 50 === 0 ? await written() : { place: new MemoryStorage(size), image: undefined }
      const bytes = image?.slice() ?? Uint8Array.from({ length: size }, () => Math.floor(random() * 256))
      // Lengths and offsets that lead anywhere, behind the right magic.
      for (const slot of [0, 1, 2]) bytes.set(new TextEncoder().encode('ferry 01'), slot * 4096)
      bytes.set([255, 255, random() < 0.5 ? 0 : 255, 0, 255, 255, 255, 255, 255, 255, 31, 0], 16)
      await place.writeAt(bytes, 0)
      const end = await new RecordSlots(place, hasher).read().then((record) => record?.[0], errorCode)
      expect([2, 3, 'CORRUPT', undefined]).toContain(end)
    }
  })
})
