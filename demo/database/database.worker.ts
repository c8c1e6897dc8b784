import { systemClock } from '../../src/async/clock.ts'
import { type ReceivedDisk, receiveDisk } from '../../src/devices/receive-disk.ts'
import { errorCode, StorageError } from '../../src/errors/storage-error.ts'
import { encodeError } from '../../src/errors/wire.ts'
import type { BlockStateReader, MigrationProgress } from '../../src/migration/progress.ts'
import type { Connection } from '../../src/protocol/connection.ts'
import { SqliteDisk, swap } from '../../src/sqlite.ts'
import { DIRTY, HOLDS_DATA, MOVED } from '../block-byte.ts'
import { formatBytes } from '../format.ts'
import { againSecret } from '../travel/again-secret.ts'
import type { WorkerLink } from '../travel/messages.ts'
import { keepDataChannel, openLink } from '../travel/worker-link.ts'
import { Departure } from './departure.ts'
import { DISK_BYTES, freshPlace, LiveDatabase, leavePlace } from './live-database.ts'
import type { DatabasePlace, FromDatabase, ToDatabase } from './messages.ts'

/** The part of a dedicated worker's global scope that is used here; the page's types describe a window. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToDatabase>) => void) | null
  postMessage(message: FromDatabase, transfer?: Transferable[]): void
}

/** Bytes per second between two tabs of one machine would be too many to watch. */
const LINK_RATE = 16 * 2 ** 20

const scope = self as unknown as WorkerScope
const send = (message: FromDatabase, transfer: Transferable[] = []) => scope.postMessage(message, transfer)

let disk: SqliteDisk | undefined
let database: LiveDatabase | undefined
let place: DatabasePlace = 'indexeddb'
let pictureMs = 100
/** Of a database that was given away: it is told until the other side has heard it. */
let departure: Departure | undefined
let arriving: ReceivedDisk | undefined
/** Whoever was given a database, or has taken it over, opens it once. */
let using: Promise<void> | undefined
let rowsLeft = 0

scope.onmessage = ({ data }) => {
  obey(data).catch((error: unknown) => {
    if (departure?.isReleased) return unheard()
    send({ type: 'failed', error: encodeError(error), stillHere: database !== undefined })
  })
}

async function obey(message: ToDatabase): Promise<void> {
  switch (message.type) {
    case 'start':
      place = message.place
      pictureMs = message.intervalMs
      return use(await SqliteDisk.open(await freshPlace(place)))
    case 'swap':
      return swapTo(message.to)
    case 'check':
      return send({ type: 'checked', ...(await database!.check()) })
    case 'connect':
      return keepDataChannel(message)
    case 'leave':
      return leave(message)
    case 'come':
      place = message.place
      pictureMs = message.intervalMs
      return come(message)
    case 'takeOver':
      return takeOver()
  }
}

async function use(opened: SqliteDisk): Promise<void> {
  disk = opened
  const live = await LiveDatabase.open(opened)
  database = live
  send({ type: 'using', place, rows: live.rows })
  live.insert().catch((error: unknown) => {
    // One that was given away is not written any more, which is told when it is known whether the other side has heard.
    if (database === live && opened.isHere) send({ type: 'failed', error: encodeError(error), stillHere: false })
  })
  void tellInserts(live)
}

async function tellInserts(live: LiveDatabase): Promise<void> {
  while (database === live) {
    send({ type: 'inserts', inserts: live.inserts() })
    await systemClock.sleep(200)
  }
}

async function swapTo(to: DatabasePlace): Promise<void> {
  const from = place
  const startedAt = systemClock.now()
  const destination = await freshPlace(to)
  const moving = swap(disk!, destination, { progressHandler: pictures() })
  const { pauseMs, bytesMoved, origin, doubt } = await moving.catch(async (error: unknown) => {
    await destination.close()
    throw error
  })
  place = to
  await origin.close()
  // Until the new place can say that it has the database, the old one is what proves it.
  if (doubt === undefined) await leavePlace(from)
  send({ type: 'swapped', to, pauseMs, bytesMoved, longestMs: database!.longestSince(startedAt) })
}

/** Gives the database away: from the hand-over on it is only read here, and kept until the other side has said that it knows. */
async function leave(link: WorkerLink): Promise<void> {
  const connection = await openLink(link, 'listener', { bytesPerSecond: LINK_RATE })
  try {
    send({ type: 'underWay', again: await againSecret(link.secret, connection.session) })
    departure ??= new Departure(disk!)
    await departure.send({ connection, name: 'notes', progressHandler: pictures() })
  } catch (error) {
    if (!departure?.isReleased) departure = undefined
    throw error
  } finally {
    await connection.close()
  }
  if (!departure.isAcknowledged) return unheard()
  const rows = await stopInserts()
  await disk!.close()
  await leavePlace(place)
  send({ type: 'left', ...departure.figures, rows })
}

async function unheard(): Promise<void> {
  await stopInserts()
  send({ type: 'unheard' })
}

/** Ends the use of a database that is not this side's any more; returns how many rows it said to have. */
async function stopInserts(): Promise<number> {
  const live = database
  database = undefined
  await live?.close()
  rowsLeft = live?.rows ?? rowsLeft
  return rowsLeft
}

/** Takes the database, or hears over another connection whose it is. */
async function come(link: WorkerLink): Promise<void> {
  const connection = await openLink(link, 'dialer')
  send({ type: 'underWay', again: await againSecret(link.secret, connection.session) })
  if (arriving) await arriving.attach(connection)
  else arriving = await receive(connection)
  // Only the last word had not been heard over there.
  if (database) return tellOfLoss(connection)
  const { cache } = arriving
  const over = new AbortController()
  void showArriving(cache, over.signal)
  try {
    await arriving.handedOver
  } catch (error) {
    if (errorCode(error) !== 'IN_DOUBT') throw error
    return send({ type: 'doubted' })
  } finally {
    over.abort()
  }
  await useArrived()
  tellOfLoss(connection)
}

async function takeOver(): Promise<void> {
  try {
    await arriving!.takeOver()
  } catch (error) {
    // The other side may have given it in this moment.
    if (!using) send({ type: 'notTaken', error: encodeError(error) })
    return
  }
  await useArrived()
}

function useArrived(): Promise<void> {
  const { disk, cache } = arriving!
  using ??= (async () => {
    send({ type: 'moving', blocks: new Uint8Array(cache.numBlocks).fill(MOVED) })
    await use(await SqliteDisk.open(disk))
  })()
  return using
}

/** A side that says goodbye has heard everything. */
function tellOfLoss({ rw }: Connection): void {
  void rw.ended.then((reason) => reason !== undefined && send({ type: 'parted' }))
}

function receive(connection: Connection): Promise<ReceivedDisk> {
  return receiveDisk({
    connection,
    create: async ({ size }) => {
      if (size > 4 * DISK_BYTES)
        throw new StorageError('LIMIT_EXCEEDED', `A database of ${formatBytes(size)} is too large for this page.`)
      try {
        return await freshPlace(place, size)
      } catch (error) {
        // The other side may be another tab of this browser, which has its database there until it is given away.
        if (errorCode(error) !== 'LOCKED') throw error
        place = place === 'opfs' ? 'indexeddb' : 'opfs'
        return freshPlace(place, size)
      }
    },
  })
}

async function showArriving(cache: ReceivedDisk['cache'], signal: AbortSignal): Promise<void> {
  const seen = new Uint8Array(cache.numBlocks)
  while (!signal.aborted) {
    const blocks = new Uint8Array(cache.numBlocks)
    for (let block = 0; block < blocks.length; block++) {
      const isHere = cache.isPresent(block)
      if (isHere) seen[block] = 1
      blocks[block] = isHere ? MOVED : seen[block] ? DIRTY : HOLDS_DATA
    }
    send({ type: 'moving', blocks }, [blocks.buffer])
    await systemClock.sleep(pictureMs, signal).catch(() => {})
  }
}

/** Shows the blocks, now and then. */
function pictures(): (progress: MigrationProgress, blocks: BlockStateReader) => void {
  let shownAt = 0
  return ({ totalBlocks }, reader) => {
    const now = systemClock.now()
    if (now - shownAt < pictureMs) return
    shownAt = now
    const blocks = new Uint8Array(totalBlocks)
    reader.blockStates(blocks)
    for (let block = 0; block < blocks.length; block++) blocks[block]! |= HOLDS_DATA
    send({ type: 'moving', blocks }, [blocks.buffer])
  }
}
