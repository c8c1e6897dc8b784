// Records where SQLite writes: `node test/bench/traces/record-sqlite.mjs`, with `sqlite3` and `strace` on the path. Writes sqlite.trace.gz:
// the numbers of the 4 KiB blocks written, one after the other, each as the zigzag difference to the one before in 7-bit groups.
// The database lies at 0, its write-ahead log from block 32768 on.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const ROWS = 400_000
const TRANSACTIONS = 6000
const BLOCK = 4096
const LOG_AT = 32768

let state = 1
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}
/** Few rows often: the tenth part takes nearly half of the draws. */
const row = () => 1 + ((Math.floor(ROWS * random() ** 3) * 7919) % ROWS)

const folder = mkdtempSync(join(tmpdir(), 'trace-'))
const database = join(folder, 'bank.db')
const log = join(folder, 'strace.txt')
try {
  const load = `PRAGMA journal_mode=WAL; PRAGMA page_size=${BLOCK};
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, filler TEXT);
    CREATE TABLE history (id INTEGER PRIMARY KEY, account INTEGER, delta INTEGER, note TEXT);
    CREATE INDEX by_account ON history (account);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
      INSERT INTO account SELECT i, 1000, printf('%0220d', i) FROM n;
    PRAGMA wal_checkpoint(TRUNCATE);`
  execFileSync('sqlite3', [database], { input: load })
  const work = ['PRAGMA synchronous=NORMAL;']
  for (let number = 0; number < TRANSACTIONS; number++) {
    const [from, to, delta] = [row(), row(), 1 + Math.floor(random() * 100)]
    work.push(`BEGIN; UPDATE account SET balance = balance - ${delta} WHERE id = ${from};
      UPDATE account SET balance = balance + ${delta} WHERE id = ${to};
      INSERT INTO history (account, delta, note) VALUES (${from}, ${delta}, 'transfer to ${to}'); COMMIT;`)
  }
  execFileSync('strace', ['-y', '-e', 'trace=pwrite64,write', '-o', log, 'sqlite3', database], {
    input: work.join('\n'),
  })
  const numbers = []
  const call = /^pwrite64\(\d+<([^>]*)>, .*, (\d+), (\d+)\) += \d+/
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    const [, path, length, offset] = call.exec(line) ?? []
    const at = path?.endsWith('bank.db') ? 0 : path?.endsWith('bank.db-wal') ? LOG_AT : undefined
    if (at === undefined) continue
    const last = Math.floor((Number(offset) + Number(length) - 1) / BLOCK)
    for (let block = Math.floor(Number(offset) / BLOCK); block <= last; block++) {
      // The head of a frame and its page are two writes to one block.
      if (numbers.at(-1) !== at + block) numbers.push(at + block)
    }
  }
  const bytes = []
  let before = 0
  for (const number of numbers) {
    let value = number >= before ? 2 * (number - before) : 2 * (before - number) - 1
    for (; value > 127; value = Math.floor(value / 128)) bytes.push((value & 127) | 128)
    bytes.push(value)
    before = number
  }
  writeFileSync(new URL('sqlite.trace.gz', import.meta.url), gzipSync(Uint8Array.from(bytes), { level: 9 }))
  console.log(`${numbers.length} writes to ${new Set(numbers).size} blocks, the highest is ${Math.max(...numbers)}`)
} finally {
  rmSync(folder, { recursive: true })
}
