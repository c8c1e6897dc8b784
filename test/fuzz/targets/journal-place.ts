import { errorCode } from '../../../src/errors/storage-error.ts'
import { DigestPages, SLICE_BYTES, STORED_PAGE_BYTES } from '../../../src/migration/journal/digest-pages.ts'
import { AFTER_SLOTS, RecordSlots, spareBytes } from '../../../src/migration/journal/record-slots.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { BlockDigests } from '../../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../../src/storage/block-hasher.ts'
import { type FuzzTarget, must, mustEqual } from '../target.ts'

const hasher = await createBlockHasher()
const LONGEST = 5000
const SLICES_AT = AFTER_SLOTS + 3 * spareBytes(LONGEST)
const SLICES = 8
const LIFE = Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1)
const records = [10, LONGEST, 300].map((length, index) => new Uint8Array(length).fill(0x21 + index))
const place = await written()
const slices = place.slice(SLICES_AT)
const layout = { offset: SLICES_AT, sliceCount: SLICES }

/**
 * A journal's place after three records and some slices, in which other bytes have been put:
 * ```
 * offset u16, folded onto the place | value u8 | and again
 * ```
 * What is read is something that was written, or nothing, or the place is called damaged.
 */
export const journalPlace: FuzzTarget = {
  name: 'journal-place',
  seeds: [0, 8, 20, 28, 44, 4096, 4116, 8192, 8200, SLICES_AT, SLICES_AT + SLICE_BYTES - 1].map((at) =>
    Uint8Array.of(at & 0xff, at >> 8, 0xff),
  ),
  async run(bytes) {
    const damaged = place.slice()
    for (let at = 0; at + 2 < bytes.length; at += 3) {
      damaged[(bytes[at]! | (bytes[at + 1]! << 8)) % damaged.length] = bytes[at + 2]!
    }
    const storage = await stored(damaged)
    await readRecord(storage)
    await readSlices(storage)
    await storage.close()
  },
}

async function readRecord(storage: MemoryStorage): Promise<void> {
  const slots = new RecordSlots(storage, hasher)
  let found: Uint8Array | undefined
  try {
    found = await slots.read()
  } catch (error) {
    if (errorCode(error) === 'CORRUPT') return
    throw error
  }
  must(found !== undefined, 'three records that were written are not taken for none')
  must(
    records.some((record) => Buffer.compare(record, found) === 0),
    'a record that is read was written',
  )
  const next = new Uint8Array(1 + LONGEST / 2).fill(0x7e)
  await slots.write(next, AFTER_SLOTS, spareBytes(LONGEST))
  const again = await new RecordSlots(storage, hasher).read()
  must(again !== undefined, 'a record written to a damaged place is there')
  mustEqual(again, next, 'a record written to a damaged place')
}

async function readSlices(storage: MemoryStorage): Promise<void> {
  let found = 0
  const pages = new DigestPages(storage, hasher, layout)
  const damaged = await pages.read({ first: 0, count: 1 }, LIFE, ({ slice, stamp, known, unflushed, digests }) => {
    found++
    const was = slices.subarray(slice * SLICE_BYTES, (slice + 1) * SLICE_BYTES)
    must(stamp === 5, 'the stamp is the one written')
    mustEqual(Buffer.concat([known, unflushed, digests]), was.subarray(8, 8 + 4 + digests.length), `slice ${slice}`)
  })
  must(found + damaged <= SLICES, 'no slice counts twice')
}

async function written(): Promise<Uint8Array> {
  const storage = new MemoryStorage(SLICES_AT + STORED_PAGE_BYTES)
  const slots = new RecordSlots(storage, hasher)
  for (const record of records) {
    await slots.write(record, AFTER_SLOTS, spareBytes(LONGEST))
    await slots.flush()
  }
  const digests = new BlockDigests(SLICES * 16 * 512, 512, hasher)
  for (let block = 0; block < digests.blockCount; block += 3) digests.note(block, new Uint8Array(512).fill(block))
  const pages = new DigestPages(storage, hasher, { offset: SLICES_AT, sliceCount: SLICES })
  const range = { first: 0, count: SLICES }
  const told = { slices: range, life: LIFE, stamp: 5, unflushed: new Uint8Array(32), isTold: () => true }
  await pages.write(0, pages.encode(digests, told))
  const bytes = new Uint8Array(storage.size)
  await storage.readAt(bytes, 0)
  return bytes
}

async function stored(bytes: Uint8Array): Promise<MemoryStorage> {
  const storage = new MemoryStorage(bytes.length)
  await storage.writeAt(bytes, 0)
  return storage
}
