import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { COMMAND } from '../../src/protocol/packets/commands.ts'
import { anyPacket } from '../protocol/packets/any-packet.ts'
import { propertyOptions } from '../support/seed.ts'
import { withCuts } from './cuts.ts'
import { mutate } from './mutate.ts'
import { type FuzzTarget, join } from './target.ts'
import { frames } from './targets/frames.ts'
import { flat, packets } from './targets/packets.ts'
import { targets } from './targets.ts'

/** With `FERRY_RUNS` of 10 or more, every byte takes every value; the golden vectors do so always, in `damaged.test.ts`. */
const isThorough = Number(process.env.FERRY_RUNS ?? 1) >= 10

/** What bytes are changed by: each bit alone, and all of them. */
const CHANGES = isThorough ? Array.from({ length: 255 }, (_, index) => index + 1) : [1, 2, 4, 8, 16, 32, 64, 128, 255]

/** Seeds up to this length are cut at every byte. */
const WHOLE_BYTES = 1200

/** Bytes at the beginning of a seed that are all changed, and how many are in the rest of a long one. */
const HEAD_BYTES = 40
const CHANGED_BYTES = 40

/** The command of bytes that mean nothing, which need not be made. */
const PADDING: number = 0x61

/** Mutations in one test. */
const RUNS = 2000

const named = targets.map((target) => [target.name, target] as const)

/** Runs an input; what breaks a law is told in hex. */
async function tryOut(target: FuzzTarget, bytes: Uint8Array): Promise<void> {
  try {
    const running = target.run(bytes)
    if (running) await running
  } catch (error) {
    throw new Error(`${target.name}: ${Buffer.from(bytes).toString('hex')}`, { cause: error })
  }
}

describe('the laws of a decoder hold for', () => {
  it.each(named)('all truncations: %s', async (_, target) => {
    for (const seed of target.seeds) {
      const step = seed.length <= WHOLE_BYTES ? 1 : Math.ceil(seed.length / 200)
      for (let length = seed.length; length >= 0; length -= step) await tryOut(target, seed.subarray(0, length))
    }
  })

  it.each(named)('every byte changed: %s', async (_, target) => {
    for (const seed of target.seeds) {
      const bytes = seed.slice()
      const step = isThorough ? 1 : Math.ceil(bytes.length / CHANGED_BYTES)
      for (let at = 0; at < bytes.length; at += at < HEAD_BYTES ? 1 : step) {
        for (const change of CHANGES) {
          bytes[at] = seed[at]! ^ change
          await tryOut(target, bytes)
        }
        bytes[at] = seed[at]!
      }
    }
  })

  it.each(named)('mutated inputs: %s', async (_, target) => {
    const property = fc.asyncProperty(fc.noShrink(fc.nat()), async (seed) => {
      const sources = { corpus: target.seeds, words: target.words ?? [], random: seededRandom(seed) }
      await tryOut(target, mutate(sources))
    })
    await fc.assert(property, propertyOptions(RUNS))
  })
})

describe('packets of every kind', () => {
  it('are among those made at random', () => {
    const made = new Set(fc.sample(anyPacket, { numRuns: 20_000, seed: 1 }).map((packet) => flat(packet)[0]!))
    expect(Object.values(COMMAND).filter((command) => command !== PADDING && !made.has(command))).toEqual([])
  })

  it('keep the laws after changes, alone and in frames', async () => {
    const edit = fc.record({ at: fc.nat(), drop: fc.nat(3), put: fc.uint8Array({ maxLength: 4 }) })
    const edits = fc.array(edit, { maxLength: 3 })
    const lengths = fc.array(fc.nat(255), { maxLength: 5 })
    const property = fc.asyncProperty(anyPacket, edits, lengths, async (packet, changes, cuts) => {
      let bytes = flat(packet)
      for (const { at, drop, put } of changes) {
        const from = at % (bytes.length + 1)
        bytes = join([bytes.subarray(0, from), put, bytes.subarray(from + drop)])
      }
      await tryOut(packets, bytes)
      const header = new Uint8Array(Uint32Array.of(1, 2, bytes.length).buffer)
      await tryOut(frames, withCuts(cuts, join([header, bytes, header])))
    })
    await fc.assert(property, propertyOptions(RUNS))
  })
})
