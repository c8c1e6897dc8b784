import { receiveDisk } from '../../../src/devices/receive-disk.ts'
import { sendDisk } from '../../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../../src/modules/dirty-tracker.ts'
import type { Channel } from '../../../src/protocol/channel.ts'
import { openConnection } from '../../../src/protocol/connection.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { takeDataChannel } from '../../../src/transports/data-channel-transfer.ts'
import { dataChannelChannel } from '../../../src/transports/webrtc.ts'
import { PacedWriter } from '../paced-writer.ts'
import { fillRandom } from '../random-bytes.ts'

/** What one end does: measures the bare link, or hands a disk over, or takes one. */
export interface PauseTask {
  readonly role: 'send-bare' | 'count-bare' | 'send-disk' | 'take-disk'
  /** Bytes of the disk. */
  readonly size: number
  readonly blockSize: number
  /** Blocks that the writer makes dirty in a millisecond. */
  readonly blocksPerMs: number
}

/** Milliseconds on the clock of the machine, as far as two browsers agree on it. */
export interface PauseTimes {
  /** How long it took. */
  readonly took: number
  /** When the source was locked. */
  readonly lockedAt?: number
  /** From then until the source heard that the disk is the other's. */
  readonly pauseMs?: number
  readonly rounds?: number
  /** When the gate was open at the destination. */
  readonly openAt?: number
}

const PIECE_BYTES = 2 ** 16

const now = () => performance.timeOrigin + performance.now()

/** Does it over a data channel that has just been made. */
export async function runPause(task: PauseTask, object: RTCDataChannel): Promise<PauseTimes> {
  const isAnnounced = task.role === 'count-bare' || task.role === 'take-disk'
  const channel = dataChannelChannel(takeDataChannel(object, { isAnnounced }), { maxMessageSize: 2 ** 18 })
  switch (task.role) {
    case 'send-bare':
      return { took: await sendBare(channel, task.size) }
    case 'count-bare':
      return { took: await countBare(channel, task.size) }
    case 'send-disk':
      return sendWritten(channel, task)
    case 'take-disk':
      return take(channel)
  }
}

async function sendBare(channel: Channel, size: number): Promise<number> {
  const piece = new Uint8Array(PIECE_BYTES)
  fillRandom(piece)
  let said: () => void = () => {}
  const next = () =>
    new Promise<void>((resolve) => {
      said = resolve
    })
  channel.receive(() => said())
  const ready = next()
  await channel.send([piece.subarray(0, 1)])
  await ready
  const counted = next()
  const startedAt = performance.now()
  for (let at = 0; at < size; at += PIECE_BYTES) await channel.send([piece])
  await counted
  const took = performance.now() - startedAt
  await channel.close()
  return took
}

/** Answers the first byte, and all of the others once. */
async function countBare(channel: Channel, size: number): Promise<number> {
  let left = size + 1
  channel.receive((bytes) => {
    const before = left
    left -= bytes.length
    if (left === 0 || before === size + 1) void channel.send([new Uint8Array(1)])
  })
  await channel.ended
  return 0
}

async function sendWritten(channel: Channel, { size, blockSize, blocksPerMs }: PauseTask): Promise<PauseTimes> {
  const disk = new MemoryStorage(size)
  const piece = new Uint8Array(PIECE_BYTES)
  fillRandom(piece)
  for (let at = 0; at < size; at += PIECE_BYTES) disk.writeAtSync(piece, at)
  const connection = await openConnection([channel], { role: 'dialer' })
  const { local, remote } = createDirtyTracker(disk, blockSize)
  const writer = new PacedWriter(local, { blockSize, blocksPerMs, now: () => performance.now() })
  const writing = writer.run()
  let lockedAt = 0
  try {
    const sent = await sendDisk({
      connection,
      source: remote,
      name: 'disk',
      lockerHandler: () => {
        lockedAt = now()
        return remote.lock!()
      },
      unlockerHandler: () => remote.unlock!(),
    })
    await connection.close()
    return { took: sent.durationMs, lockedAt, pauseMs: sent.pauseMs, rounds: sent.rounds }
  } finally {
    writer.stop()
    remote.unlock!()
    await writing
    await disk.close()
  }
}

async function take(channel: Channel): Promise<PauseTimes> {
  const startedAt = performance.now()
  const connection = await openConnection([channel], { role: 'listener' })
  const disk = await receiveDisk({ connection, create: ({ size }) => new MemoryStorage(size) })
  await disk.handedOver
  const openAt = now()
  await connection.rw.ended
  return { took: performance.now() - startedAt, openAt }
}
