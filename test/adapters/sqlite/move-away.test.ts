import { expect, it } from 'vitest'
import { SqliteDisk } from '../../../src/adapters/sqlite/sqlite-disk.ts'
import { moveAway } from '../../../src/adapters/sqlite/swap.ts'
import { receiveDisk } from '../../../src/devices/receive-disk.ts'
import { sendDisk } from '../../../src/devices/send-disk.ts'
import { openConnection } from '../../../src/protocol/connection.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { memoryChannels } from '../../../src/transports/memory.ts'
import { connect, startSqlite } from '../../support/sqlite-in-node.ts'

const SIZE = 8 * 2 ** 20

it('a database that is being written moves to another device, where it goes on with all that was committed', async () => {
  const from = new MemoryStorage(SIZE)
  const disk = await SqliteDisk.open(from)
  const db = await connect(await startSqlite('asyncify'), 'app.db', disk)
  await db.run('CREATE TABLE t (n INTEGER PRIMARY KEY, x)')
  let rows = 0
  const writing = (async () => {
    for (;;) {
      await db.run(`INSERT INTO t VALUES (${rows}, randomblob(300))`)
      rows++
      await new Promise(setImmediate)
    }
  })().catch((error: Error) => error.message)

  const { a, b } = memoryChannels()
  const [here, there] = await Promise.all([
    openConnection([a], { role: 'dialer' }),
    openConnection([b], { role: 'listener' }),
  ])
  const receiving = receiveDisk({ connection: there, create: ({ size }) => new MemoryStorage(size) })
  const sent = await moveAway(disk, (moving) => sendDisk({ connection: here, name: 'app', ...moving }))
  expect(sent.acknowledged).toBe(true)
  const received = await receiving
  await received.handedOver
  // The writer was told, and nothing that it was told is committed is missing there.
  expect(await writing).toBe('attempt to write a readonly database')
  const arrived = await SqliteDisk.open(received.disk)
  const dbThere = await connect(await startSqlite('asyncify'), 'app.db', arrived)
  expect(await dbThere.run('SELECT count(*) FROM t')).toEqual([[rows]])
  expect(await dbThere.run('PRAGMA integrity_check')).toEqual([['ok']])
  await dbThere.run('INSERT INTO t (x) VALUES (1)')
  await expect(SqliteDisk.open(from)).rejects.toMatchObject({ code: 'NOT_OWNER' })
  await here.close()
  await there.close()
})
