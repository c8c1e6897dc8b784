import { systemClock } from '../../../src/async/clock.ts'
import { ArrivingDisk } from '../../../src/devices/arriving-disk.ts'
import { SendingDisk } from '../../../src/devices/sending-disk.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { type Journal, journalBytes, openJournal } from '../../../src/migration/journal/journal.ts'
import { createWriteIntents } from '../../../src/migration/journal/write-intents.ts'
import { createDirtyTracker } from '../../../src/modules/dirty-tracker.ts'
import { type Connection, openConnection } from '../../../src/protocol/connection.ts'
import { IndexedDbStorage } from '../../../src/sources/indexeddb.ts'
import { OpfsStorage } from '../../../src/sources/opfs.ts'
import { createBlockHasher } from '../../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { rootHash } from '../../../src/storage/root-hash.ts'
import { openWebSocket } from '../../../src/transports/websocket.ts'
import { type Halt, type Note, type Remains, SLOT_BYTES, slotOf, type Task } from './task.ts'

const STORES = { opfs: OpfsStorage, indexeddb: IndexedDbStorage } as const
const SECRET = new Uint8Array(16).fill(7)

/** Bytes in flight per run: small, so that a kill meets many of them. */
const RUN_BYTES = 262144

/** Milliseconds between two writes, and writes between two flushes. */
const WRITE_MS = 4
const FLUSH_WRITES = 8

const tell = (note: Note) => self.postMessage(note)

addEventListener('message', ({ data }: MessageEvent<{ run: Task } | { look: Task }>) => {
  if ('run' in data) (data.run.side === 'source' ? send : receive)(data.run).catch(fail)
  else
    look(data.look).then(
      (remains) => self.postMessage({ type: 'remains', remains }),
      (error: unknown) => fail(error),
    )
})

function fail(error: unknown): void {
  tell({ type: 'failed', message: error instanceof Error ? String(error.stack) : String(error) })
}

/** Never comes back. */
function halted(): Promise<never> {
  tell({ type: 'halted' })
  return new Promise(() => {})
}

async function open(task: Task, halt?: Halt): Promise<{ disk: StorageProvider; journal: Journal }> {
  const { side, place, size, blockSize } = task
  const options = { size, lockTimeoutMs: 10_000 }
  const disk = await STORES[place].open(`kill ${side}`, options)
  const beside = await IndexedDbStorage.open(`kill ${side}.ferry`, {
    size: journalBytes(size, blockSize),
    lockTimeoutMs: 10_000,
  })
  const journal = await openJournal(beside, { size, blockSize, hasher: await createBlockHasher(), bootId: 'page' })
  return { disk: halting(disk, task, halt), journal: haltingJournal(journal, halt) }
}

/** Stops when as much was read, or written, as was asked for. */
function halting(disk: StorageProvider, { side }: Task, halt: Halt | undefined): StorageProvider {
  if (halt?.at !== 'bytes') return disk
  let passed = 0
  const method = side === 'source' ? 'readAt' : 'writeAt'
  return new Proxy(disk, {
    get: (target, name) => {
      // A call that cannot wait cannot be stopped either.
      const value = name === `${method}Sync` ? undefined : (Reflect.get(target, name) as unknown)
      if (typeof value !== 'function') return value
      const call = value.bind(target) as (bytes: Uint8Array, ...rest: unknown[]) => unknown
      if (name !== method) return call
      return async (bytes: Uint8Array, ...rest: unknown[]) => {
        passed += bytes.length
        return passed > halt.bytes ? halted() : call(bytes, ...rest)
      }
    },
  })
}

function haltingJournal(journal: Journal, halt: Halt | undefined): Journal {
  if (!halt || halt.at === 'bytes') return journal
  const around = async (state: string | undefined, work: () => Promise<void>) => {
    if (state !== halt.state) return work()
    if (halt.at === 'after') await work()
    return halted()
  }
  const become = journal.become.bind(journal)
  const checkpoint = journal.checkpoint.bind(journal)
  journal.become = (next) => around(next.state, () => become(next))
  journal.checkpoint = (options = {}) => around(options.ownership?.state, () => checkpoint(options))
  return journal
}

async function connect({ url, side }: Task): Promise<Connection> {
  for (;;) {
    try {
      const { channel } = await openWebSocket(`${url}?side=${side}`, { protocols: ['blockferry.1'] })
      return await openConnection([channel], { role: side === 'source' ? 'listener' : 'dialer', secret: SECRET })
    } catch (error) {
      const code = errorCode(error)
      if (code !== 'PEER_LOST' && code !== 'OPEN_FAILED' && code !== 'CLOSED') throw error
      await systemClock.sleep(100)
    }
  }
}

/** Sends the disk while it writes to it, over as many connections as that takes. */
async function send(task: Task): Promise<void> {
  const { size, blockSize, life } = task
  const { disk, journal } = await open(task, task.halt)
  if (!journal.ownership) await fill(disk)
  const { local, remote } = createDirtyTracker(disk, blockSize, createWriteIntents(journal))
  const sending = await SendingDisk.open({ source: remote, journal })
  const stop = new AbortController()
  if (!sending.isReleased) write(local, task, stop.signal).catch((error: unknown) => stop.signal.aborted || fail(error))
  for (;;) {
    const connection = await connect(task)
    tell({ type: 'connected', share: journal.digests.knownBlocks / journal.digests.blockCount })
    try {
      const { blocksDirtied, acknowledged } = await sending.send({
        connection,
        name: `life ${life}`,
        runBytes: RUN_BYTES,
        maxPauseMs: 5000,
      })
      await connection.close()
      if (!acknowledged) continue
      stop.abort()
      return tell({ type: 'done', root: journal.ownership!.root ?? '', dirtied: blocksDirtied * blockSize })
    } catch (error) {
      await connection.close(error)
      const code = errorCode(error)
      if (code !== 'PEER_LOST' && code !== 'CLOSED') throw error
    }
  }

  async function fill(fresh: StorageProvider): Promise<void> {
    const bytes = new Uint8Array(2 ** 20)
    for (let offset = 0; offset < size; offset += bytes.length) {
      for (let at = 0; at < bytes.length; at += 8) new DataView(bytes.buffer).setFloat64(at, -(offset + at))
      await fresh.writeAt(bytes.subarray(0, Math.min(bytes.length, size - offset)), offset)
    }
    await fresh.flush()
  }
}

/** Takes the disk, over as many connections as that takes, and writes to it once it may. */
async function receive(task: Task): Promise<void> {
  const { disk, journal } = await open(task, task.halt)
  const arriving = new ArrivingDisk({ create: () => disk, openJournal: () => journal, reconnectMs: 600_000 })
  await arriving.open({ name: 'disk', size: task.size, blockSize: task.blockSize })
  void arriving.handedOver.then(() => {
    write(arriving.disk, task, new AbortController().signal).catch(fail)
    tell({ type: 'done', root: journal.ownership!.root ?? '', dirtied: 0 })
  }, fail)
  for (;;) {
    const connection = await connect(task)
    try {
      await arriving.attach(connection)
      await connection.rw.ended
    } catch (error) {
      await connection.close(error)
      const code = errorCode(error)
      if (code !== 'PEER_LOST' && code !== 'CLOSED') throw error
    }
  }
}

/** A program that says what it was told: numbers that grow from life to life, each all over its slot. */
async function write(disk: StorageProvider, { life, size, side }: Task, signal: AbortSignal): Promise<void> {
  const bytes = new Uint8Array(SLOT_BYTES)
  const view = new DataView(bytes.buffer)
  let batch: [number, number][] = []
  for (let count = 1; !signal.aborted; count++) {
    const number = life * 1_000_000 + count
    const slot = slotOf(number, size)
    for (let at = 0; at < SLOT_BYTES; at += 8) view.setFloat64(at, number)
    await disk.writeAt(bytes, slot * SLOT_BYTES)
    if (side === 'source' || count === 1) tell({ type: 'wrote', atMs: performance.timeOrigin + performance.now() })
    batch.push([slot, number])
    if (batch.length === FLUSH_WRITES) {
      await disk.flush()
      tell({ type: 'flushed', writes: batch })
      batch = []
    }
    await systemClock.sleep(WRITE_MS)
  }
}

/** Reads all of a disk that nobody uses any more. */
async function look(task: Task): Promise<Remains> {
  const { disk, journal } = await open(task)
  try {
    const hash = await rootHash(disk, { blockSize: task.blockSize })
    const bytes = new Uint8Array(SLOT_BYTES)
    const view = new DataView(bytes.buffer)
    const numbers: [number, number][] = []
    for (let slot = 0; slot < task.size / SLOT_BYTES; slot++) {
      await disk.readAt(bytes, slot * SLOT_BYTES)
      let least = Number.POSITIVE_INFINITY
      for (let at = 0; at < SLOT_BYTES; at += 8) least = Math.min(least, view.getFloat64(at))
      if (least > 0) numbers.push([slot, least])
    }
    const { state, root } = journal.ownership!
    const text = Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return { state, root, hash: text, numbers }
  } finally {
    await disk.close()
    await journal.close()
  }
}
