import { systemClock } from '../../src/async/clock.ts'
import { expectCode, expectSame, expectThat } from './case.ts'
import { type AddCase, codeOf, codeOfSend } from './channel-pair.ts'
import { inTime, StreamReader, sendSizes, streamBytes } from './channel-stream.ts'

const MiB = 2 ** 20

export function addClosingCases(add: AddCase): void {
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

export function addFailureCases(add: AddCase): void {
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
}

export function addBrokenLinkCases(add: AddCase): void {
  add('ends with PEER_LOST when the link breaks', async ({ a, b, sever }) => {
    expectThat(sever !== undefined, 'a pair that can be severed, unless the suite was told otherwise')
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
    expectThat(sever !== undefined, 'a pair that can be severed, unless the suite was told otherwise')
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
