import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { ArrivingFace } from '../../src/devices/arriving-face.ts'
import { MemoryJournal } from '../../src/devices/disk-journal.ts'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { FEATURE, openConnection } from '../../src/protocol/connection.ts'
import { COMMAND } from '../../src/protocol/packets/commands.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { memoryChannels } from '../../src/transports/memory.ts'

const BLOCK = 65536
const PIECE = 4096
const BLOCKS = 40
// The last block is short, and its last piece, too.
const SIZE = (BLOCKS - 1) * BLOCK + 5 * PIECE + 77
/** Bytes of a header and its checksums. */
const HEADER = 20

interface Rig {
  /** What the source does not know. */
  without?: number
  /** Spoils the destination's copy of blocks that have just been written at the source. */
  spoils?: boolean
  /** Bytes of one write. */
  writeBytes?: number
  strategy?: 'pre-copy' | 'auto'
}

/** Moves a disk while a program writes into every other block, four times; counts what the source sends. */
async function moveWritten({ without = 0, spoils = false, writeBytes = PIECE, strategy = 'pre-copy' }: Rig = {}) {
  const random = seededRandom(7)
  const content = (length: number) => {
    const words = Uint32Array.from({ length: Math.ceil(length / 4) }, () => random() * 2 ** 32)
    return new Uint8Array(words.buffer, 0, length)
  }
  const source = new MemoryStorage(SIZE)
  source.writeAtSync(content(SIZE), 0)
  const { local, remote } = createDirtyTracker(source, BLOCK)
  // What was written before shows that somebody writes.
  remote.trackAt(0, SIZE)
  await local.writeAt(content(1), SIZE - 1)
  const disk = new MemoryStorage(SIZE)
  const { a, b } = memoryChannels()
  let bytes = 0
  let patches = 0
  const counted: Channel = {
    kind: a.kind,
    ended: a.ended,
    receive: (handler) => a.receive(handler),
    close: () => a.close(),
    abort: (reason) => a.abort(reason),
    send: (parts) => {
      for (const part of parts) {
        bytes += part.length
        if (part[HEADER] === COMMAND.writePatch) patches++
      }
      return a.send(parts)
    },
  }
  const [near, far] = await Promise.all([
    openConnection([counted], { role: 'dialer', without }),
    openConnection([b], { role: 'listener' }),
  ])
  let times = 4
  const write = () => {
    for (let block = 0; block < BLOCKS; block += 2) {
      const piece = Math.floor((random() * BLOCK) / writeBytes)
      void local.writeAt(content(writeBytes), block * BLOCK + piece * writeBytes)
      // It will be sent again: a patch cannot fit what is there now.
      if (spoils) disk.writeAtSync(content(1), block * BLOCK + ((piece + 1) % 16) * PIECE)
    }
  }
  const sending = sendDisk({
    connection: near,
    source: remote,
    name: 'disk',
    strategy,
    maxPauseMs: 10_000,
    progressIntervalMs: 0,
    progressHandler: ({ phase }) => {
      if (phase !== 'locked' && times-- > 0) write()
    },
  })
  const received = await receiveDisk({ connection: far, create: () => disk })
  const sent = await sending
  await received.whole
  expect(sent.acknowledged).toBe(true)
  expect(await compareDisks(source, disk, BLOCK)).toMatchObject({ bytes: 0 })
  return { bytes, patches }
}

describe('blocks that are sent again', () => {
  test('go as patches of what has changed, to a destination that takes them', async () => {
    const patched = await moveWritten()
    const whole = await moveWritten({ without: FEATURE.patch })
    expect(patched.patches).toBeGreaterThan(0)
    expect(whole.patches).toBe(0)
    // Both sent the disk once; of what was sent again, the one a sixteenth to a fourth of each block.
    expect(whole.bytes - SIZE).toBeGreaterThan(15 * BLOCK)
    expect((patched.bytes - SIZE) / (whole.bytes - SIZE)).toBeLessThan(0.3)
  })

  test('go whole where all of them has changed', async () => {
    expect((await moveWritten({ writeBytes: BLOCK })).bytes - SIZE).toBeGreaterThan(15 * BLOCK)
  })

  test('go whole when the destination has not what was sent before', async () => {
    const { patches, bytes } = await moveWritten({ spoils: true })
    expect(patches).toBeGreaterThan(0)
    expect(bytes - SIZE).toBeGreaterThan(10 * BLOCK)
  })

  test('are right when the disk is handed over before all have moved', async () => {
    await moveWritten({ strategy: 'auto' })
  })
})

describe('a destination', () => {
  async function arriving(admission: 'open' | 'missing' | 'closed') {
    const storage = new MemoryStorage(SIZE)
    const cache = createWaitingCache(storage, BLOCK)
    const digests = new BlockDigests(SIZE, BLOCK, await createBlockHasher())
    const face = new ArrivingFace(cache, new MemoryJournal(digests))
    face.admission = admission
    const blocks = new Uint8Array(BLOCK).fill(3)
    const patch = {
      offset: BLOCK,
      length: BLOCK,
      digests: digests.hash(blocks),
      apply: (target: Uint8Array) => target.set(blocks.subarray(PIECE), PIECE),
    }
    return { storage, cache, digests, face, patch }
  }

  test('patches what it has, and then the block is here and known', async () => {
    const { storage, cache, digests, face, patch } = await arriving('open')
    storage.writeAtSync(new Uint8Array(PIECE).fill(3), BLOCK)
    await face.writePatched(patch)
    expect([cache.isPresent(1), digests.isKnown(1), cache.missingBlocks]).toEqual([true, true, BLOCKS - 1])
    expect(digests.digestAt(1)).toEqual(patch.digests)
  })

  test.each([
    ['of something that it has not', 'open', 'DAMAGED'],
    ['once the disk is its own', 'missing', 'DAMAGED'],
    ['while the disk is handed over', 'closed', 'LOCKED'],
  ] as const)('stores no patch %s', async (_, admission, code) => {
    const { storage, cache, face, patch } = await arriving(admission)
    if (admission !== 'open') storage.writeAtSync(new Uint8Array(PIECE).fill(3), BLOCK)
    await expect(face.writePatched(patch)).rejects.toMatchObject({ code })
    expect(cache.missingBlocks).toBe(BLOCKS)
    const bytes = new Uint8Array(BLOCK)
    storage.readAtSync(bytes, BLOCK)
    expect(bytes[BLOCK - 1]).toBe(0)
  })
})
