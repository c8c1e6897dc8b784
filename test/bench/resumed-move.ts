import { ArrivingDisk } from '../../src/devices/arriving-disk.ts'
import { SendingDisk } from '../../src/devices/sending-disk.ts'
import { type Journal, journalBytes, openJournal } from '../../src/migration/journal/journal.ts'
import { createWriteIntents } from '../../src/migration/journal/write-intents.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { type Connection, openConnection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { memoryChannels } from '../../src/transports/memory.ts'

const MIB = 2 ** 20
const BLOCK_SIZE = 65536

/** How a move went that was cut and went on from its journals. */
export interface ResumedMove {
  /** From the opening of the journals to the first block that is stored again at the destination. */
  readonly firstByteMs: number
  readonly bytesAgain: number
  readonly windowBytes: number
}

/** Moves a sparse disk with `megabytes` of data all over it, cuts it when half has gone, and goes on with nothing but disks and journals. */
export async function moveWithResume(size: number, megabytes: number): Promise<ResumedMove> {
  const sides = new Sides(size, megabytes)
  const cut = await sides.attempt((megabytes / 2) * MIB)
  const startedAt = performance.now()
  const rest = await sides.attempt(Number.POSITIVE_INFINITY)
  if (!rest.isDone) throw new Error('the move did not come to its end')
  return {
    firstByteMs: rest.firstWriteAt - startedAt,
    bytesAgain: Math.max(0, cut.bytesSent + rest.bytesSent - megabytes * MIB),
    windowBytes: cut.windowBytes,
  }
}

class Sides {
  readonly #size: number
  readonly #source: MemoryStorage
  readonly #destination: MemoryStorage
  readonly #places: readonly [MemoryStorage, MemoryStorage]

  constructor(size: number, megabytes: number) {
    this.#size = size
    const sparse = { sparse: true }
    this.#source = new MemoryStorage(size, sparse)
    this.#destination = new MemoryStorage(size, sparse)
    const bytes = journalBytes(size, BLOCK_SIZE)
    this.#places = [new MemoryStorage(bytes, sparse), new MemoryStorage(bytes, sparse)]
    const data = new Uint32Array(MIB / 4)
    for (let index = 0, word = 1; index < megabytes; index++) {
      for (let at = 0; at < data.length; at++) {
        word = (Math.imul(word, 1664525) + 1013904223) >>> 0
        data[at] = word
      }
      const room = Math.floor(size / megabytes / BLOCK_SIZE) * BLOCK_SIZE
      this.#source.writeAtSync(new Uint8Array(data.buffer), index * room)
    }
  }

  /** As two processes that begin with what is stored; the link is cut when the source has sent so much. */
  async attempt(bytes: number) {
    let firstWriteAt = 0
    const noted: StorageProvider = {
      size: this.#size,
      readAt: (target, offset) => this.#destination.readAt(target, offset),
      writeAt: (data, offset) => {
        firstWriteAt ||= performance.now()
        return this.#destination.writeAt(data, offset)
      },
      zeroAt: (offset, length) => this.#destination.zeroAt(offset, length),
      flush: async () => {},
      close: async () => {},
      cancelWrites: () => {},
    }
    const [journal, { near, far, sent }] = await Promise.all([this.#journal(0), connect(bytes)])
    const { remote } = createDirtyTracker(this.#source, BLOCK_SIZE, createWriteIntents(journal))
    const sending = await SendingDisk.open({ source: remote, journal })
    const arriving = new ArrivingDisk({ create: () => noted, openJournal: () => this.#journal(1) })
    const outcomes = await Promise.allSettled([
      sending.send({ connection: near, name: 'disk', maxPauseMs: 10_000 }),
      arriving.attach(far).then(() => arriving.handedOver),
    ])
    const windowBytes = near.rw.windowBytes
    await near.close().catch(() => {}) // It was cut.
    return {
      isDone: outcomes.every(({ status }) => status === 'fulfilled'),
      bytesSent: sent(),
      firstWriteAt,
      windowBytes,
    }
  }

  async #journal(side: 0 | 1): Promise<Journal> {
    const hasher = await createBlockHasher()
    return openJournal(this.#places[side], { size: this.#size, blockSize: BLOCK_SIZE, hasher, bootId: 'one' })
  }
}

async function connect(bytes: number): Promise<{ near: Connection; far: Connection; sent: () => number }> {
  const { a, b, sever } = memoryChannels()
  let sent = 0
  const counted: Channel = {
    kind: a.kind,
    ended: a.ended,
    receive: (handler) => a.receive(handler),
    close: () => a.close(),
    abort: (reason) => a.abort(reason),
    send: (parts) => {
      for (const part of parts) sent += part.length
      if (sent >= bytes) sever()
      return a.send(parts)
    },
  }
  const [near, far] = await Promise.all([
    openConnection([counted], { role: 'dialer' }),
    openConnection([b], { role: 'listener' }),
  ])
  return { near, far, sent: () => sent }
}
