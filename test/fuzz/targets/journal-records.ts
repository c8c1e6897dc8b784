import {
  decodeJournalRecord,
  encodeJournalRecord,
  type JournalRecord,
} from '../../../src/migration/journal/journal-record.ts'
import { begin, commit, ownDisk, prepare, receive, takeOver } from '../../../src/migration/journal/ownership.ts'
import { decodeOwnership, encodeOwnership } from '../../../src/migration/journal/ownership-record.ts'
import { PAGE_KIND, PageMap } from '../../../src/migration/journal/page-map.ts'
import { LARGEST_PAGE_COUNT } from '../../../src/migration/limits.ts'
import { allocatedBy } from '../allocation.ts'
import { type FuzzTarget, join, must, mustEqual } from '../target.ts'

const disk = { diskId: '0123456789abcdef'.repeat(2), size: 2 ** 30 - 5, blockSize: 65536 }
const migration = { id: 'fedcba9876543210'.repeat(2), key: 'c'.repeat(32) }
const receiving = receive(undefined, disk, 2 ** 40, migration)
const owned = [
  ownDisk(disk),
  begin(ownDisk(disk), migration),
  receiving,
  prepare(receiving, { root: '9'.repeat(32), missing: true }),
  commit(prepare(receiving, { root: '0'.repeat(32) })),
  takeOver(receiving),
]

/** Bytes that a record costs beside its map of pages. */
const RECORD_COST = 4096

/** What a journal holds, in one form only: whatever is read is written back as it was. The first byte says what it is. */
export const journalRecords: FuzzTarget = {
  name: 'journal-records',
  seeds: [
    ...owned.map((ownership) => join([Uint8Array.of(0), encodeOwnership(ownership)])),
    ...[undefined, ...owned].map((ownership) => join([Uint8Array.of(1), encodeJournalRecord(record(ownership))])),
    join([Uint8Array.of(2, 100, 0), mapOf(100).encode()]),
  ],
  words: [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff), Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0)],
  run(bytes) {
    const [kind, rest] = [bytes[0], bytes.subarray(1)]
    if (kind === 0) inOneForm(rest, decodeOwnership, encodeOwnership)
    else if (kind === 1) inOneForm(rest, decodeJournalRecord, encodeJournalRecord)
    else if (kind === 2 && rest.length >= 2) {
      const pages = rest[0]! | (rest[1]! << 8)
      inOneForm(
        rest.subarray(2),
        (map) => PageMap.decode(map, pages),
        (map) => map.encode(),
      )
    }
  },
}

function inOneForm<Value>(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => Value | undefined,
  encode: (value: Value) => Uint8Array,
): void {
  let value: Value | undefined
  const held = allocatedBy(() => {
    value = decode(bytes)
  })
  const most = LARGEST_PAGE_COUNT + RECORD_COST + 8 * bytes.length
  must(held <= most, `${bytes.length} bytes of a record do not allocate ${held}`)
  if (value !== undefined) mustEqual(encode(value), bytes, 'read and written')
}

function record(ownership: JournalRecord['ownership']): JournalRecord {
  const { size, blockSize } = disk
  const life = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  return {
    size,
    blockSize,
    ownership,
    bootId: 'ünï',
    forgetsLazily: !ownership,
    life,
    stamp: 2 ** 50,
    flushed: 17,
    pages: mapOf(64),
  }
}

/** Runs of every kind. */
function mapOf(pages: number): PageMap {
  const map = new PageMap(pages)
  for (let page = 0; page < pages; page++)
    map.set(page, page < pages / 2 ? PAGE_KIND.zero : ((page % 5) as 0 | 1 | 2 | 3 | 4))
  return map
}
