import { systemClock } from '../../../src/async/clock.ts'
import { ArrivingDisk } from '../../../src/devices/arriving-disk.ts'
import { SendingDisk } from '../../../src/devices/sending-disk.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { type Journal, journalBytes, openJournal } from '../../../src/migration/journal/journal.ts'
import type { Ownership } from '../../../src/migration/journal/ownership.ts'
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

/** When a write was acknowledged last. Not told each time: on a busy machine so many notes would take minutes to be heard. */
let wroteAtMs = 0

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
  return { disk: halting(disk, journal, task, halt), journal: haltingJournal(journal, halt) }
}

/** So that a side that is slow can be told from one that hangs. */
async function tellProgress({ digests }: Journal): Promise<void> {
  for (let before = -1; ; await systemClock.sleep(1000)) {
    if (digests.knownBlocks === before) continue
    before = digests.knownBlocks
    tell({ type: 'moved', share: before / digests.blockCount })
  }
}

/** The disk has a new owner, who lacks blocks. */
function isIncomplete({ ownership }: Journal): boolean {
  if (ownership?.state === 'released') return ownership.root === undefined
  return ownership?.state === 'owner' && ownership.missing === true
}

/** Stops when as much was read, or written, as was asked for. */
function halting(disk: StorageProvider, journal: Journal, { side, blockSize }: Task, halt?: Halt): StorageProvider {
  if (halt?.at !== 'bytes' && halt?.at !== 'rest') return disk
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
        // Parts of blocks are those of the program.
        if (bytes.length >= blockSize && (halt.at === 'bytes' || isIncomplete(journal))) passed += bytes.length
        return passed > halt.bytes ? halted() : call(bytes, ...rest)
      }
    },
  })
}

function haltingJournal(journal: Journal, halt: Halt | undefined): Journal {
  if (halt?.at !== 'before' && halt?.at !== 'after') return journal
  const around = async (next: Ownership | undefined, work: () => Promise<void>) => {
    const isWhole = next?.state === 'owner' && !next.missing
    if (halt.state === 'whole' ? !isWhole : next?.state !== halt.state) return work()
    if (halt.at === 'after') await work()
    return halted()
  }
  const become = journal.become.bind(journal)
  const checkpoint = journal.checkpoint.bind(journal)
  journal.become = (next) => around(next, () => become(next))
  journal.checkpoint = (options = {}) => around(options.ownership, () => checkpoint(options))
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
  tellProgress(journal).catch(fail)
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
        strategy: task.strategy,
      })
      await connection.close()
      if (!acknowledged) continue
      stop.abort()
      tell({ type: 'wrote', atMs: wroteAtMs })
      return tell({ type: 'done', root: journal.ownership!.root, dirtied: blocksDirtied * blockSize })
    } catch (error) {
      await connection.close(error)
      const code = errorCode(error)
      tell({ type: 'disconnected', code })
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
  tellProgress(journal).catch(fail)
  const { reconnectMs } = task
  const arriving = new ArrivingDisk({ create: () => disk, openJournal: () => journal, reconnectMs })
  await arriving.open({ name: 'disk', size: task.size, blockSize: task.blockSize })
  void arriving.handedOver.then(() => {
    write(arriving.disk, task, new AbortController().signal).catch(fail)
    return whole(arriving, journal)
  }, fail)
  for (;;) {
    const connection = await connect(task)
    try {
      await arriving.attach(connection)
      tell({ type: 'connected', share: journal.digests.knownBlocks / journal.digests.blockCount })
      tell({ type: 'disconnected', code: errorCode(await connection.rw.ended) })
      if (isIncomplete(journal)) void lack(arriving)
    } catch (error) {
      await connection.close(error)
      const code = errorCode(error)
      if (code !== 'PEER_LOST' && code !== 'CLOSED') throw error
    }
  }
}

/** Tells when nothing is missing any more, however often the source is lost until then. */
async function whole(arriving: ArrivingDisk, journal: Journal): Promise<void> {
  while (!arriving.isWhole) {
    await arriving.whole.catch((error: unknown) => {
      if (errorCode(error) !== 'PEER_LOST') fail(error)
    })
    await systemClock.sleep(100)
  }
  tell({ type: 'done', root: journal.ownership!.root, dirtied: 0 })
}

/** Reads a block that is not here while nobody can send it. */
async function lack({ disk, cache }: ArrivingDisk): Promise<void> {
  let block = 0
  while (cache.isPresent(block)) block++
  const reading = disk.readAt(new Uint8Array(1), block * cache.blockSize)
  await reading.catch((error: unknown) => tell({ type: 'lacks', code: errorCode(error) }))
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
    for (;;) {
      try {
        await disk.writeAt(bytes, slot * SLOT_BYTES)
        break
      } catch (error) {
        // A part of a block that is not here, and whose source is lost.
        if (side === 'source' || errorCode(error) !== 'PEER_LOST') throw error
        await systemClock.sleep(100)
      }
    }
    wroteAtMs = performance.timeOrigin + performance.now()
    if (side === 'destination' && count === 1) tell({ type: 'wrote', atMs: wroteAtMs })
    batch.push([slot, number])
    if (batch.length === FLUSH_WRITES) {
      await disk.flush()
      tell({ type: 'flushed', writes: batch, atMs: wroteAtMs })
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
