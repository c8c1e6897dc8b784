import { systemClock } from '../../src/async/clock.ts'
import { seededRandom } from '../../src/async/random.ts'
import { type ConformanceCase, expectSame, expectThat } from './case.ts'
import { addBrokenLinkCases, addClosingCases, addFailureCases } from './channel-ends.ts'
import { type AddCase, type ChannelPair, codeOf } from './channel-pair.ts'
import { inTime, StreamReader, sendSizes, streamBytes } from './channel-stream.ts'

export type { ChannelPair } from './channel-pair.ts'

/** What the suite has to know of a transport. */
export interface ChannelConformanceOptions {
  /** Bytes that may be under way to a receiver that does not take them, buffers of the system included. Default: 32 MiB. */
  readonly mostBuffered?: number
  /** Whether an end notices that the link has broken; without that, what happens then is no case. Default: true, and each pair has `sever`. */
  readonly severable?: boolean
}

const KiB = 1024
const MiB = 1024 * KiB

/** Milliseconds without progress after which a sender counts as held back. */
const HELD_BACK_MS = 400

/** The contract of `Channel` as cases: every transport starts by passing it. Each case makes a pair of its own and leaves it ended. */
export function channelConformance(
  createPair: () => Promise<ChannelPair>,
  options: ChannelConformanceOptions = {},
): ConformanceCase[] {
  const cases: ConformanceCase[] = []
  const add = (name: string, body: (pair: ChannelPair) => Promise<void>) => {
    cases.push({
      name,
      run: async () => {
        const pair = await inTime(createPair(), 'a connected pair')
        const ends: string[] = []
        for (const end of ['a', 'b'] as const) {
          void pair[end].ended.then((reason) => ends.push(`${end} had ended: ${String(reason ?? 'in order')}`))
        }
        try {
          await body(pair)
        } catch (cause) {
          // What was waited for in vain says nothing of why.
          throw new Error([cause instanceof Error ? cause.message : String(cause), ...ends].join('; '), { cause })
        } finally {
          pair.a.abort(new Error('the case is over'))
          pair.b.abort(new Error('the case is over'))
        }
      },
    })
  }
  addTransferCases(add)
  addPressureCases(add, options.mostBuffered ?? 32 * MiB)
  addClosingCases(add)
  addFailureCases(add)
  if (options.severable ?? true) addBrokenLinkCases(add)
  return cases
}

function addTransferCases(add: AddCase): void {
  add('keeps order and content at the sizes where things break', async ({ a, b }) => {
    const reader = new StreamReader(b)
    const edges = [16 * KiB, 64 * KiB, 256 * KiB].flatMap((size) => [size - 1, size, size + 1])
    const length = await inTime(sendSizes(a, [0, 1, ...edges, 0, MiB, 1, MiB - 1]), 'the sends')
    await reader.takes(length)
    reader.check(length, 'the stream')
  })

  add('keeps order and content of 16 MiB in sends of random sizes', async ({ a, b }) => {
    const reader = new StreamReader(b)
    const random = seededRandom(16)
    const sizes: number[] = []
    for (let left = 16 * MiB; left > 0; left -= sizes.at(-1)!) {
      sizes.push(Math.min(left, Math.floor(2 ** (random() * 21))))
    }
    const length = await inTime(sendSizes(a, sizes), 'the sends')
    await reader.takes(length)
    reader.check(length, 'the stream')
  })

  add('takes one send larger than any window', async ({ a, b }) => {
    const reader = new StreamReader(b)
    await inTime(a.send([streamBytes(0, 12 * MiB)]), 'the send')
    await reader.takes(12 * MiB)
    reader.check(12 * MiB, 'the stream')
  })

  add('uses the memory of slices again only when they were given back', async ({ a, b }) => {
    const reader = new StreamReader()
    // The reader keeps one of two as it came and a copy of the other, and checks both at the end.
    let isGivenBack = false
    reader.attach({
      receive: (handler) =>
        b.receive((slice) => {
          isGivenBack = !isGivenBack
          const done = handler(isGivenBack ? slice.slice() : slice)
          if (isGivenBack) b.giveBack?.(slice)
          return done
        }),
    })
    const sizes = Array.from({ length: 64 }, (_, index) => 200 * KiB + index)
    const length = await inTime(sendSizes(a, sizes), 'the sends')
    await reader.takes(length)
    reader.check(length, 'the stream')
  })

  add('carries thousands of tiny sends, waited for one by one', async ({ a, b }) => {
    const reader = new StreamReader(b)
    const sizes = Array.from({ length: 3000 }, (_, index) => 1 + (index % 23))
    const length = await inTime(sendSizes(a, sizes), 'the sends')
    await reader.takes(length)
    reader.check(length, 'the stream')
  })

  add('keeps the order of sends made at once', async ({ a, b }) => {
    const reader = new StreamReader(b)
    const sends: Promise<void>[] = []
    let position = 0
    for (let index = 0; index < 500; index++) {
      const size = (index * 977) % 9000
      sends.push(a.send([streamBytes(position, size)]))
      position += size
    }
    await inTime(Promise.all(sends), 'the sends')
    await reader.takes(position)
    reader.check(position, 'the stream')
  })

  add('joins long lists of parts, empty ones among them', async ({ a, b }) => {
    const reader = new StreamReader(b)
    const parts: Uint8Array[] = []
    let position = 0
    for (let index = 0; index < 20_000; index++) {
      const size = index % 4000 === 3999 ? 100 * KiB : index % 17
      parts.push(streamBytes(position, size))
      position += size
    }
    await inTime(a.send(parts), 'the send')
    await inTime(a.send([]), 'a send of nothing')
    await reader.takes(position)
    reader.check(position, 'the stream')
  })

  add('carries both directions at once', async ({ a, b }) => {
    const readers = [new StreamReader(a), new StreamReader(b)]
    const sizes = Array.from({ length: 128 }, () => 64 * KiB)
    const [length] = await inTime(Promise.all([sendSizes(a, sizes), sendSizes(b, sizes)]), 'the sends')
    for (const reader of readers) {
      await reader.takes(length)
      reader.check(length, 'a stream')
    }
  })

  add('has let go of the parts when the send resolves', async ({ a, b }) => {
    const reader = new StreamReader(b)
    let position = 0
    for (const size of [100, 5000, 20_000, 100_000, MiB]) {
      // Filled again and again: whoever still reads it sends another round's bytes.
      const parts = [new Uint8Array(20), new Uint8Array(size)]
      for (let round = 0; round < 8; round++) {
        for (const part of parts) {
          part.set(streamBytes(position, part.length))
          position += part.length
        }
        await inTime(a.send(parts), 'a send')
      }
      for (const part of parts) part.fill(0xee)
    }
    await reader.takes(position)
    reader.check(position, 'the stream')
  })

  add('keeps what comes before there is a receiver', async ({ a, b }) => {
    const sent = Promise.all([a.send([streamBytes(0, 100_000)]), a.send([streamBytes(100_000, 50_000)])])
    await systemClock.sleep(50)
    const reader = new StreamReader(b)
    await inTime(sent, 'the sends')
    await reader.takes(150_000)
    reader.check(150_000, 'the stream')
  })

  add('has one receiver', async ({ a }) => {
    a.receive(() => {})
    let error: unknown
    try {
      a.receive(() => {})
    } catch (thrown) {
      error = thrown
    }
    expectThat(error instanceof TypeError, 'a second receiver is a TypeError')
  })
}

function addPressureCases(add: AddCase, mostBuffered: number): void {
  add('holds the sender back while the receiver works, then goes on', async ({ a, b }) => {
    const reader = new StreamReader(b)
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    reader.work = () => released
    let accepted = 0
    const piece = 64 * KiB
    let progressAt = systemClock.now()
    let isOver = false
    const sending = (async () => {
      while (!isOver) {
        await a.send([streamBytes(accepted, piece)])
        accepted += piece
        progressAt = systemClock.now()
        if (accepted > mostBuffered) isOver = true
      }
    })()
    sending.catch(() => {}) // Waited for below, unless something fails first.
    await reader.takes(1)
    progressAt = systemClock.now()
    while (!isOver && systemClock.now() - progressAt < HELD_BACK_MS) await systemClock.sleep(20)
    expectThat(accepted <= mostBuffered, `at most ${mostBuffered} bytes are taken for a stuck receiver`)
    expectSame(reader.calls, 1, 'calls of the receiver while its first has not ended')
    isOver = true
    reader.work = undefined
    release()
    await inTime(sending, 'the send that was held back')
    await reader.takes(accepted)
    reader.check(accepted, 'the stream')
  })

  add('never hands over a slice while the receiver works on one', async ({ a, b }) => {
    const reader = new StreamReader()
    let atWork = 0
    let most = 0
    reader.work = async () => {
      most = Math.max(most, ++atWork)
      await systemClock.yield()
      atWork--
    }
    reader.attach(b)
    const length = await inTime(sendSizes(a, [1, 300_000, 5, 300_000, 7]), 'the sends')
    await reader.takes(length)
    reader.check(length, 'the stream')
    expectSame(most, 1, 'slices at work together')
  })

  add('refuses a sender that does not wait', async ({ a, b }) => {
    b.receive(() => new Promise(() => {}))
    const bytes = streamBytes(0, MiB)
    const sends = Array.from({ length: 300 }, () => a.send([bytes]))
    const codes = await inTime(Promise.all(sends.map((send) => send.then(() => 'sent', codeOf))), 'the sends')
    expectThat(codes.includes('LIMIT_EXCEEDED'), 'some are refused')
    expectSame(codeOf(await inTime(a.ended, 'the end')), 'LIMIT_EXCEEDED', 'the reason of the end')
  })
}
