import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sendDisk } from '../../src/devices/send-disk.ts'
import type { MigrationStrategy } from '../../src/migration/migrate-live.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { FileStorage } from '../../src/sources/file.node.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { connectTcp } from '../../src/transports/tcp-connect.node.ts'
import { newJournal, trackedDisk } from './journaled-disk.ts'
import { machineNow } from './machine-now.ts'
import { filledDisk } from './move-disk.ts'
import { PacedChannel } from './paced-channel.ts'
import { PacedWriter } from './paced-writer.ts'
import type { HandedOver } from './pause-peer.ts'
import { fillRandom } from './random-bytes.ts'

const MIB = 2 ** 20
export const BLOCK_SIZE = 65536

/** What is handed over, and how. */
export interface Manner {
  readonly disk: StorageProvider
  /** What the destination is, and whether there is a journal in a file on either side. */
  readonly to: 'memory' | 'journaled-memory' | 'journaled-file'
  readonly strategy?: MigrationStrategy
  /** Blocks that the writer makes dirty in a millisecond; 0 for none. */
  readonly blocksPerMs: number
  /** Blocks that are written at once when the writer is about to be stopped. */
  readonly lastBlocks?: number
}

/** One hand-over, in milliseconds. */
export interface HandOverTimes {
  /** From the call that locks the source to the open gate at the destination. */
  readonly gate: number
  /** As the source tells it: to the answer that says so. */
  readonly source: number
  /** A write of the application, from the call that was held back at the source to the end of one that had waited at the destination. */
  readonly write: number
  /** The longest write before the source was locked. */
  readonly longest: number
  readonly rounds: number
  readonly missingBlocks: number
  /** The whole migration. */
  readonly duration: number
}

interface PeerPorts {
  readonly count: number
  readonly memory: number
  readonly 'journaled-memory': number
  readonly 'journaled-file': number
}

/** Two processes between which a disk is handed over by TCP, again and again. */
export class PauseRig {
  readonly #child: ChildProcess
  readonly #ports: PeerPorts
  readonly #folder: string
  readonly size: number
  readonly #linkBytesPerMs: number
  #memory: StorageProvider | undefined
  #file: StorageProvider | undefined

  private constructor(parts: {
    child: ChildProcess
    ports: PeerPorts
    folder: string
    size: number
    linkBytesPerMs: number
  }) {
    this.#child = parts.child
    this.#ports = parts.ports
    this.#folder = parts.folder
    this.size = parts.size
    this.#linkBytesPerMs = parts.linkBytesPerMs
  }

  /** `linkBytesPerMs`: the rate of the link from here to there; infinite for the loopback as it is. */
  static async start({ size, linkBytesPerMs }: { size: number; linkBytesPerMs: number }): Promise<PauseRig> {
    const folder = await mkdtemp(join(tmpdir(), 'pause-'))
    const child = fork(fileURLToPath(new URL('pause-peer.js', import.meta.url)), [String(size), folder])
    const ports = await new Promise<PeerPorts>((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code) => reject(new Error(`the other process ended with ${code}`)))
    })
    return new PauseRig({ child, ports, folder, size, linkBytesPerMs })
  }

  async end(): Promise<void> {
    this.#child.kill()
    await this.#file?.close()
    await rm(this.#folder, { recursive: true })
  }

  /** Bytes in a millisecond that the link carries by hand. */
  async bareRate(): Promise<number> {
    const channel = await this.#connect(this.#ports.count)
    const counted = new Promise<void>((resolve) => channel.receive(() => resolve()))
    const piece = new Uint8Array(MIB / 4)
    fillRandom(piece)
    const startedAt = performance.now()
    const sends: Promise<void>[] = []
    for (let at = 0; at < this.size; at += piece.length) {
      sends.push(channel.send([piece]))
      // Two at a time keep the channel busy.
      if (sends.length > 1) await sends.shift()
    }
    await counted
    const rate = this.size / (performance.now() - startedAt)
    await channel.close()
    return rate
  }

  /** A disk as large as was said at the start, full of random bytes. */
  memoryDisk(): StorageProvider {
    this.#memory ??= filledDisk(this.size)
    return this.#memory
  }

  /** The same in a file. */
  async fileDisk(): Promise<StorageProvider> {
    if (this.#file) return this.#file
    this.#file = await FileStorage.open(join(this.#folder, 'source.disk'), { create: this.size })
    const piece = new Uint8Array(MIB)
    fillRandom(piece)
    for (let at = 0; at < this.size; at += MIB) await this.#file.writeAt(piece, at)
    await this.#file.flush()
    return this.#file
  }

  /** Hands a disk over while it is written. */
  async handOver({ disk, to, strategy, blocksPerMs, lastBlocks = 0 }: Manner): Promise<HandOverTimes> {
    const path = join(this.#folder, 'source.ferry')
    const journal = to === 'memory' ? undefined : await newJournal(path, disk.size, BLOCK_SIZE)
    const { local, remote } = trackedDisk(disk, BLOCK_SIZE, journal)
    const writer = new PacedWriter(local, { blockSize: BLOCK_SIZE, blocksPerMs, now: machineNow })
    const writing = blocksPerMs > 0 ? writer.run() : undefined
    try {
      const connection = await openConnection([await this.#connect(this.#ports[to])], { role: 'dialer' })
      const told = new Promise<HandedOver>((resolve) => this.#child.once('message', resolve))
      let lockedAt = 0
      let longest = 0
      const sent = await sendDisk({
        connection,
        source: remote,
        name: 'disk',
        ...(strategy ? { strategy } : {}),
        ...(journal ? { journal } : {}),
        lockerHandler: async () => {
          for (let block = 0; block < lastBlocks; block++)
            await local.writeAt(new Uint8Array(4096).fill(7), block * 2 ** 20)
          lockedAt = machineNow()
          longest = writer.longestMs
          await remote.lock!()
        },
        unlockerHandler: () => remote.unlock!(),
      })
      const { openAt, writtenAt } = await told
      await connection.close()
      return {
        gate: openAt - lockedAt,
        source: sent.pauseMs,
        write: writtenAt - lockedAt,
        longest,
        rounds: sent.rounds,
        missingBlocks: sent.missingBlocks,
        duration: sent.durationMs,
      }
    } finally {
      writer.stop()
      remote.unlock!()
      await writing
      await journal?.close()
    }
  }

  async #connect(port: number): Promise<Channel> {
    const channel = await connectTcp({ host: '127.0.0.1', port })
    return this.#linkBytesPerMs === Number.POSITIVE_INFINITY ? channel : new PacedChannel(channel, this.#linkBytesPerMs)
  }
}
