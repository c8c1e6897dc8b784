import { SqliteDisk } from '../../../src/adapters/sqlite/sqlite-disk.ts'
import { moveAway } from '../../../src/adapters/sqlite/swap.ts'
import { systemClock } from '../../../src/async/clock.ts'
import { ArrivingDisk } from '../../../src/devices/arriving-disk.ts'
import { SendingDisk, type SendingOptions } from '../../../src/devices/sending-disk.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { type Journal, journalBytes, openJournal } from '../../../src/migration/journal/journal.ts'
import { createDirtyTracker } from '../../../src/modules/dirty-tracker.ts'
import { type Connection, openConnection } from '../../../src/protocol/connection.ts'
import { IndexedDbStorage } from '../../../src/sources/indexeddb.ts'
import { OpfsStorage } from '../../../src/sources/opfs.ts'
import { createBlockHasher } from '../../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { openWebSocket } from '../../../src/transports/websocket.ts'
import { connectTo, type Database } from '../../support/sqlite-in-browser.ts'
import type { Halt, SideNote, SideRemains, SideTask } from './side.ts'

const SIZE = 8 * 2 ** 20
const BLOCK = 65_536
const LOCK_MS = 10_000
const SECRET = new Uint8Array(16).fill(7)

const tell = (note: SideNote) => self.postMessage(note)

addEventListener('message', ({ data }: MessageEvent<{ run: SideTask } | { look: SideTask['side'] }>) => {
  const fail = (error: unknown) =>
    tell({ type: 'failed', message: error instanceof Error ? String(error.stack) : String(error) })
  if ('run' in data) (data.run.side === 'source' ? send : receive)(data.run).catch(fail)
  else look(data.look).then((remains) => tell({ type: 'remains', remains }), fail)
})

/** Never comes back. */
function halted(): Promise<never> {
  tell({ type: 'halted' })
  return new Promise(() => {})
}

/** The disk of a side and what it remembers of it. */
async function open(side: SideTask['side'], halt?: Halt): Promise<{ storage: StorageProvider; journal: Journal }> {
  const Storage = side === 'source' ? IndexedDbStorage : OpfsStorage
  const storage = await Storage.open(`tab ${side}`, { size: SIZE, lockTimeoutMs: LOCK_MS })
  const beside = await IndexedDbStorage.open(`tab ${side}.ferry`, {
    size: journalBytes(SIZE, BLOCK),
    lockTimeoutMs: LOCK_MS,
  })
  const hasher = await createBlockHasher()
  const journal = await openJournal(beside, { size: SIZE, blockSize: BLOCK, hasher, bootId: 'page' })
  if (halt && halt.at !== 'half') {
    const become = journal.become.bind(journal)
    const checkpoint = journal.checkpoint.bind(journal)
    const around = async (state: string | undefined, work: () => Promise<void>) => {
      if (state !== halt.state) return work()
      if (halt.at === 'after') await work()
      return halted()
    }
    journal.become = (next) => around(next.state, () => become(next))
    journal.checkpoint = (options = {}) => around(options.ownership?.state, () => checkpoint(options))
  }
  return { storage, journal }
}

/** Stops at one of the first calls of this method. */
function halfWay<Storage extends StorageProvider>(
  storage: Storage,
  method: 'readAt' | 'writeAt',
  halt: Halt | undefined,
): Storage {
  if (halt?.at !== 'half') return storage
  let calls = 0
  return new Proxy(storage, {
    get: (target, name) => {
      // A call that cannot wait cannot be stopped either.
      const value = name === `${method}Sync` ? undefined : (Reflect.get(target, name) as unknown)
      if (typeof value !== 'function') return value
      return name === method && ++calls > 3 ? halted : (value.bind(target) as unknown)
    },
  })
}

async function connect({ url, side }: SideTask): Promise<Connection> {
  for (;;) {
    try {
      const { channel } = await openWebSocket(`${url}?side=${side}`, { protocols: ['blockferry.1'] })
      return await openConnection([channel], { role: side === 'source' ? 'listener' : 'dialer', secret: SECRET })
    } catch (error) {
      if (!isLoss(error)) throw error
      await systemClock.sleep(100)
    }
  }
}

function isLoss(error: unknown): boolean {
  return ['PEER_LOST', 'OPEN_FAILED', 'CLOSED'].includes(errorCode(error) ?? '')
}

/** A database that is written all the time moves away, over as many connections as that takes. */
async function send(task: SideTask): Promise<void> {
  const { storage, journal } = await open('source', task.halt)
  const overConnections = async (sending: SendingDisk, options: Partial<SendingOptions>) => {
    while (!sending.isAcknowledged) {
      const connection = await connect(task)
      try {
        await sending.send({ connection, name: 'database', ...options })
        await connection.close()
      } catch (error) {
        await connection.close(error)
        if (!isLoss(error)) throw error
      }
    }
  }
  const state = journal.ownership?.state ?? 'owner'
  if (state !== 'owner') {
    await overConnections(await SendingDisk.open({ source: createDirtyTracker(storage, BLOCK).remote, journal }), {})
    return tell({ type: 'told' })
  }
  // An earlier life may have ended between the disk's word and the journal's, and has not noted what SQLite wrote.
  const disk = await SqliteDisk.open(storage, { takeBack: true })
  await journal.forget(0, journal.digests.blockCount)
  void insert(await connectTo(disk, 'asyncify'))
  await moveAway(disk, async (moving) => {
    const source = halfWay(moving.source, 'readAt', task.halt)
    await overConnections(await SendingDisk.open({ source, journal }), { ...moving, runBytes: BLOCK })
  })
  tell({ type: 'told' })
}

/** Until it is refused. */
async function insert(db: Database): Promise<void> {
  await db.run('CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, x)')
  for (;;) {
    try {
      await db.run('INSERT INTO t (x) VALUES (randomblob(5000))')
    } catch (error) {
      return tell({ type: 'refused', message: String(error) })
    }
    const [[rows]] = (await db.run('SELECT max(n) FROM t')) as [[number]]
    tell({ type: 'rows', rows })
  }
}

/** Takes the database, over as many connections as that takes, and writes to it once it may. */
async function receive(task: SideTask): Promise<void> {
  const { storage, journal } = await open('destination', task.halt)
  const watched = halfWay(storage, 'writeAt', task.halt)
  const arriving = new ArrivingDisk({ create: () => watched, openJournal: () => journal, reconnectMs: 600_000 })
  await arriving.open({ name: 'database', size: SIZE, blockSize: BLOCK })
  const using = arriving.handedOver.then(async () => {
    const db = await connectTo(await SqliteDisk.open(arriving.disk), 'asyncify')
    tell({ type: 'here', ...(await contentOf(db)) })
    await db.run('INSERT INTO t (x) VALUES (1)')
  })
  using.catch((error: unknown) => tell({ type: 'failed', message: String(error) }))
  for (;;) {
    const connection = await connect(task)
    try {
      await arriving.attach(connection)
      await connection.rw.ended
    } catch (error) {
      await connection.close(error)
      if (!isLoss(error)) throw error
    }
  }
}

async function contentOf(db: Database): Promise<{ rows: number; last: number; sound: string }> {
  const [[sound]] = (await db.run('PRAGMA integrity_check')) as [[string]]
  const [[rows, last]] = (await db.run('SELECT count(*), max(n) FROM t')) as [[number, number]]
  return { rows, last, sound }
}

/** Whose the disk is, as its journal says, and whether SQLite would use it. */
async function look(side: SideTask['side']): Promise<SideRemains> {
  const { storage, journal } = await open(side)
  try {
    const state = journal.ownership?.state
    // A copy that is on its way is opened by nobody: its journal says so.
    const mayOpen = side === 'source' || state === 'owner'
    const opened = mayOpen ? await SqliteDisk.open(storage).then(() => 'open', errorCode) : 'not here'
    return { state, opened }
  } finally {
    await storage.close()
    await journal.close()
  }
}
