import { systemClock } from '../../src/async/clock.ts'
import { seededRandom } from '../../src/async/random.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { type ConformanceCase, expectCode, expectSame, expectThat } from './case.ts'
import { inTime, StreamReader, streamBytes } from './channel-stream.ts'

/** Two connected channels. `sever` cuts the link between them as a broken cable or a killed peer would; absent where nothing can notice. */
export interface ChannelPair {
  readonly a: Channel
  readonly b: Channel
  sever?(): void
}

/** What the suite has to know of a transport. */
export interface ChannelConformanceOptions {
  /** Bytes that may be under way to a receiver that does not take them, buffers of the system included. Default: 32 MiB. */
  readonly mostBuffered?: number
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
        try {
          await body(pair)
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
  return cases
}

type AddCase = (name: string, body: (pair: ChannelPair) => Promise<void>) => void

/** Sends the stream in sends of these sizes, one after the other; resolves with its length. */
async function sendSizes(channel: Channel, sizes: readonly number[]): Promise<number> {
  let position = 0
  for (const size of sizes) {
    await channel.send([streamBytes(position, size)])
    position += size
  }
  return position
}

function addTransferCases(add: AddCase): void {
  add('keeps order and content at the sizes where things break', async ({ a, b }) => {
    const reader = new StreamReader(b)
    const edges = [16 * KiB, 64 * KiB, 256 * KiB].flatMap((size) => [size - 1, size, size + 1])
    const length = await inTime(sendSizes(a, [0, 1, ...edges, 0, MiB, 1, MiB - 1]), 'the sends')
    await inTime(reader.reached(length), 'all bytes')
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
    await inTime(reader.reached(length), 'all bytes')
    reader.check(length, 'the stream')
  })

  add('takes one send larger than any window', async ({ a, b }) => {
    const reader = new StreamReader(b)
    await inTime(a.send([streamBytes(0, 12 * MiB)]), 'the send')
    await inTime(reader.reached(12 * MiB), 'all bytes')
    reader.check(12 * MiB, 'the stream')
  })

  add('carries thousands of tiny sends, waited for one by one', async ({ a, b }) => {
    const reader = new StreamReader(b)
    const sizes = Array.from({ length: 3000 }, (_, index) => 1 + (index % 23))
    const length = await inTime(sendSizes(a, sizes), 'the sends')
    await inTime(reader.reached(length), 'all bytes')
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
    await inTime(reader.reached(position), 'all bytes')
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
    await inTime(reader.reached(position), 'all bytes')
    reader.check(position, 'the stream')
  })

  add('carries both directions at once', async ({ a, b }) => {
    const readers = [new StreamReader(a), new StreamReader(b)]
    const sizes = Array.from({ length: 128 }, () => 64 * KiB)
    const [length] = await inTime(Promise.all([sendSizes(a, sizes), sendSizes(b, sizes)]), 'the sends')
    for (const reader of readers) {
      await inTime(reader.reached(length), 'all bytes')
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
    await inTime(reader.reached(position), 'all bytes')
    reader.check(position, 'the stream')
  })

  add('keeps what comes before there is a receiver', async ({ a, b }) => {
    const sent = Promise.all([a.send([streamBytes(0, 100_000)]), a.send([streamBytes(100_000, 50_000)])])
    await systemClock.sleep(50)
    const reader = new StreamReader(b)
    await inTime(sent, 'the sends')
    await inTime(reader.reached(150_000), 'all bytes')
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
    while (!isOver && systemClock.now() - progressAt < HELD_BACK_MS) await systemClock.sleep(20)
    expectThat(accepted <= mostBuffered, `at most ${mostBuffered} bytes are taken for a stuck receiver`)
    expectSame(reader.calls, 1, 'calls of the receiver while its first has not ended')
    isOver = true
    reader.work = undefined
    release()
    await inTime(sending, 'the send that was held back')
    await inTime(reader.reached(accepted), 'all bytes')
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
    await inTime(reader.reached(length), 'all bytes')
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

function addClosingCases(add: AddCase): void {
  for (const [first, second] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    add(`delivers everything before it closes, from ${first}`, async (pair) => {
      const [closer, other] = [pair[first], pair[second]]
      const readers = [new StreamReader(other), new StreamReader(closer)]
      const sends = [sendSizes(closer, [100_000, MiB]), sendSizes(other, [70_000])]
      await inTime(sends[1]!, 'the send of the other')
      await inTime(sends[0]!, 'the sends')
      await inTime(Promise.all([closer.close(), closer.close()]), 'the closing')
      readers[0]!.check(100_000 + MiB, 'what the other got')
      readers[1]!.check(70_000, 'what the closing side got')
      expectSame(await inTime(closer.ended, 'the end'), undefined, 'the end of the closing side')
      expectSame(await inTime(other.ended, 'the end of the other'), undefined, 'the end of the other')
      await expectCode(() => closer.send([new Uint8Array(1)]), 'CLOSED', 'a send after the end')
      await expectCode(() => other.send([new Uint8Array(1)]), 'CLOSED', 'a send of the other after the end')
      await inTime(other.close(), 'closing what has ended')
    })
  }

  add('closes without a byte sent', async ({ a, b }) => {
    new StreamReader(a)
    new StreamReader(b)
    await inTime(a.close(), 'the closing')
    expectSame(await inTime(b.ended, 'the end'), undefined, 'the end')
  })

  add('delivers sends that closing overtakes, and refuses later ones', async ({ a, b }) => {
    const reader = new StreamReader(b)
    new StreamReader(a)
    const sends = Array.from({ length: 20 }, (_, index) => a.send([streamBytes(index * 300_000, 300_000)]))
    const closing = a.close()
    await expectCode(() => a.send([new Uint8Array(1)]), 'CLOSED', 'a send after close')
    await inTime(Promise.all([closing, ...sends]), 'the closing')
    reader.check(6_000_000, 'the stream')
  })

  add('delivers everything when both close at once', async ({ a, b }) => {
    const readers = [new StreamReader(a), new StreamReader(b)]
    const sends = [a, b].map((channel) => channel.send([streamBytes(0, 500_000)]))
    await inTime(Promise.all([a.close(), b.close(), ...sends]), 'the closing')
    for (const reader of readers) reader.check(500_000, 'a stream')
    expectSame(await a.ended, undefined, 'the end of a')
    expectSame(await b.ended, undefined, 'the end of b')
  })

  add('waits with the end for a slow receiver', async ({ a, b }) => {
    const reader = new StreamReader()
    let done = 0
    reader.work = async (bytes) => {
      if (reader.calls < 20) await systemClock.sleep(5)
      done += bytes.length
    }
    reader.attach(b)
    new StreamReader(a)
    await inTime(a.send([streamBytes(0, 900_000)]), 'the send')
    await inTime(a.close(), 'the closing')
    expectSame(done, 900_000, 'bytes the receiver was done with when close resolved')
    reader.check(900_000, 'the stream')
  })

  add('lets a receiver answer what came before the end', async ({ a, b }) => {
    const reader = new StreamReader(a)
    let answered = 0
    b.receive(async (bytes) => {
      await systemClock.yield()
      const position = answered
      answered += bytes.length
      await b.send([streamBytes(position, bytes.length)])
    })
    await inTime(a.send([streamBytes(0, 200_000)]), 'the send')
    await inTime(a.close(), 'the closing')
    reader.check(200_000, 'the answers')
  })

  add('ends only once the late receiver has everything', async ({ a, b }) => {
    new StreamReader(a)
    await inTime(a.send([streamBytes(0, 1000)]), 'the send')
    const closing = a.close()
    await systemClock.sleep(50)
    const reader = new StreamReader(b)
    await inTime(closing, 'the closing')
    reader.check(1000, 'the stream')
    expectSame(await inTime(b.ended, 'the end'), undefined, 'the end')
  })
}

function addFailureCases(add: AddCase): void {
  add('ends at once on abort, and the peer knows only that it is gone', async ({ a, b }) => {
    new StreamReader(a)
    b.receive(() => new Promise(() => {}))
    const bytes = streamBytes(0, MiB)
    const held = Array.from({ length: 40 }, () => a.send([bytes]).then(() => 'sent', codeOf))
    await systemClock.sleep(20)
    const reason = Object.assign(new Error('for a test'), { code: 'OUT_OF_COFFEE' })
    a.abort(reason)
    a.abort(new Error('a second time'))
    expectSame(await inTime(a.ended, 'the end'), reason, 'the reason')
    expectSame((await inTime(Promise.all(held), 'the sends')).at(-1), 'OUT_OF_COFFEE', 'the last send')
    expectSame(await codeOfSend(a), 'OUT_OF_COFFEE', 'a send after abort')
    await inTime(a.close(), 'closing what was aborted')
    expectSame(await a.ended, reason, 'the reason, still')
  })

  add('tells the peer of an abort', async ({ a, b }) => {
    new StreamReader(b)
    a.abort(new Error('for a test'))
    expectSame(codeOf(await inTime(b.ended, 'the end of the peer')), 'PEER_LOST', 'the end of the peer')
    expectSame(await codeOfSend(b), 'PEER_LOST', 'a send of the peer')
  })

  add('takes an abort without a reason as out of order too', async ({ a }) => {
    a.abort(undefined)
    expectSame(codeOf(await inTime(a.ended, 'the end')), 'ABORTED', 'the reason')
  })

  add('does not confuse an abort with a close while closing', async ({ a, b }) => {
    b.receive(() => new Promise(() => {}))
    void a.send([streamBytes(0, 100_000)]).catch(() => {})
    const closing = a.close()
    await systemClock.sleep(20)
    const reason = new Error('for a test')
    a.abort(reason)
    await inTime(closing, 'the closing')
    expectSame(await a.ended, reason, 'the reason')
  })

  for (const [how, fail] of [
    ['rejects', (reason: unknown) => Promise.reject(reason)],
    [
      'throws',
      (reason: unknown): void => {
        throw reason
      },
    ],
  ] as const) {
    add(`aborts with the reason of a receiver that ${how}`, async ({ a, b }) => {
      const reason = new Error('for a test')
      let calls = 0
      a.receive(() => {
        calls++
        return fail(reason)
      })
      new StreamReader(b)
      void b.send([streamBytes(0, 3 * MiB)]).catch(() => {})
      expectSame(await inTime(a.ended, 'the end'), reason, 'the reason')
      expectSame(codeOf(await inTime(b.ended, 'the end of the peer')), 'PEER_LOST', 'the end of the peer')
      expectSame(calls, 1, 'calls of the receiver')
    })
  }

  add('ends with PEER_LOST when the link breaks', async ({ a, b, sever }) => {
    if (!sever) return
    const reader = new StreamReader(a)
    b.receive(() => {})
    await inTime(a.send([streamBytes(0, 1000)]), 'a send')
    sever()
    expectSame(codeOf(await inTime(a.ended, 'the end')), 'PEER_LOST', 'the end')
    expectSame(await codeOfSend(a), 'PEER_LOST', 'a send after the end')
    await inTime(a.close(), 'closing what is lost')
    reader.check(0, 'nothing was received')
  })

  add('ends with PEER_LOST when the link breaks while closing', async ({ a, b, sever }) => {
    if (!sever) return
    new StreamReader(a)
    b.receive(() => new Promise(() => {}))
    await inTime(a.send([streamBytes(0, 1000)]), 'a send')
    const closing = a.close()
    await systemClock.sleep(20)
    sever()
    await inTime(closing, 'the closing')
    expectSame(codeOf(await a.ended), 'PEER_LOST', 'the end')
  })
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error)
}

function codeOfSend(channel: Channel): Promise<string> {
  return channel.send([new Uint8Array(1)]).then(() => 'sent', codeOf)
}
