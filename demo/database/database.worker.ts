import { systemClock } from '../../src/async/clock.ts'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { encodeError } from '../../src/errors/wire.ts'
import type { BlockStateReader, MigrationProgress } from '../../src/migration/progress.ts'
import { moveAway, SqliteDisk, swap } from '../../src/sqlite.ts'
import { DIRTY, HOLDS_DATA, MOVED } from '../block-byte.ts'
import { formatBytes } from '../format.ts'
import type { WorkerLink } from '../travel/messages.ts'
import { keepDataChannel, openLink } from '../travel/worker-link.ts'
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

scope.onmessage = ({ data }) => {
  obey(data).catch((error: unknown) =>
    send({ type: 'failed', error: encodeError(error), stillHere: database !== undefined }),
  )
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
  }
}

async function use(opened: SqliteDisk): Promise<void> {
  disk = opened
  const live = await LiveDatabase.open(opened)
  database = live
  send({ type: 'using', place })
  live.insert().catch((error: unknown) => {
    if (database === live) send({ type: 'failed', error: encodeError(error), stillHere: false })
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
  const { pauseMs, bytesMoved, origin } = await swap(disk!, await freshPlace(to), { progressHandler: pictures() })
  place = to
  await origin.close()
  await leavePlace(from)
  send({ type: 'swapped', to, pauseMs, bytesMoved, longestMs: database!.longestSince(startedAt) })
}

/** Gives the database away: from the hand-over on it is only read here, and then not at all. */
async function leave(link: WorkerLink): Promise<void> {
  const connection = await openLink(link, 'listener', { bytesPerSecond: LINK_RATE })
  try {
    send({ type: 'underWay' })
    const { pauseMs, bytesMoved } = await moveAway(disk!, (moving) =>
      sendDisk({ connection, name: 'notes', ...moving, progressHandler: pictures() }),
    )
    const left = database!
    database = undefined
    await left.close()
    await disk!.close()
    await leavePlace(place)
    send({ type: 'left', pauseMs, bytesMoved, rows: left.rows })
  } finally {
    await connection.close()
  }
}

async function come(link: WorkerLink): Promise<void> {
  const connection = await openLink(link, 'dialer')
  send({ type: 'underWay' })
  const {
    disk: arrived,
    cache,
    handedOver,
  } = await receiveDisk({
    connection,
    create: ({ size }) => {
      if (size > 4 * DISK_BYTES)
        throw new StorageError('LIMIT_EXCEEDED', `A database of ${formatBytes(size)} is too large for this page.`)
      return freshPlace(place, size)
    },
  })
  const over = new AbortController()
  const seen = new Uint8Array(cache.numBlocks)
  const show = async () => {
    while (!over.signal.aborted) {
      const blocks = new Uint8Array(cache.numBlocks)
      for (let block = 0; block < blocks.length; block++) {
        const isHere = cache.isPresent(block)
        if (isHere) seen[block] = 1
        blocks[block] = isHere ? MOVED : seen[block] ? DIRTY : HOLDS_DATA
      }
      send({ type: 'moving', blocks }, [blocks.buffer])
      await systemClock.sleep(pictureMs, over.signal).catch(() => {})
    }
  }
  void show()
  try {
    await handedOver
  } finally {
    over.abort()
  }
  send({ type: 'moving', blocks: new Uint8Array(cache.numBlocks).fill(MOVED) })
  await use(await SqliteDisk.open(arrived))
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
