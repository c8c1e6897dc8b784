import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { errorCode } from '../../src/errors/storage-error.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import type { LinkEvents, MessageLink } from '../../src/transports/message-link.ts'
import { MessagePipe } from '../../src/transports/message-pipe.ts'
import { StreamReader, streamBytes } from '../conformance/channel-stream.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** A link whose other end is the test. */
class FakeLink implements MessageLink {
  readonly messageBytes = 64 * 1024
  readonly sending = 'kept'
  /** What was sent: texts, and the lengths of bytes. */
  readonly sent: (string | number)[] = []
  state: 'open' | 'closed' | 'destroyed' = 'open'
  events!: LinkEvents

  hasRoom(): boolean {
    return true
  }

  listen(events: LinkEvents): void {
    this.events = events
  }

  sendBytes(message: Uint8Array): void {
    this.sent.push(message.length)
  }

  sendText(message: string): void {
    this.sent.push(message)
  }

  close(): void {
    this.state = 'closed'
  }

  destroy(): void {
    this.state = 'destroyed'
  }
}

function pipeOverFake(options: { opened?: boolean } = {}) {
  const link = new FakeLink()
  const clock = new VirtualClock({ automatic: false })
  const pipe = new MessagePipe(link, { kind: 'fake', windowBytes: 100_000, clock })
  if (options.opened ?? true) link.events.opened()
  return { link, clock, pipe }
}

describe('the orderly end', () => {
  /** Both directions confirmed, the peer's farewell still missing. */
  async function confirmed() {
    const { link, clock, pipe } = pipeOverFake()
    void pipe.close()
    link.events.text('done')
    link.events.text('end')
    expect(link.sent).toEqual(['+100000', 'end', 'done', 'bye'])
    return { link, clock, pipe }
  }

  it('is over with the farewell of the peer, and nobody sleeps on', async () => {
    const { link, clock, pipe } = await confirmed()
    link.events.text('bye')
    expect(await pipe.ended).toBeUndefined()
    expect(link.state).toBe('closed')
    expect(clock.sleepers).toBe(0)
  })

  it('is over when the link goes instead', async () => {
    const { link, pipe } = await confirmed()
    link.events.lost(new Error('gone'))
    expect(await pipe.ended).toBeUndefined()
  })

  it('is over after a moment when the peer has died without a farewell', async () => {
    const { clock, pipe } = await confirmed()
    let isOver = false
    void pipe.ended.then(() => {
      isOver = true
    })
    await clock.advance(4999)
    expect(isOver).toBe(false)
    await clock.advance(1)
    expect(await pipe.ended).toBeUndefined()
  })

  it('is a loss when the link goes before the peer has confirmed', async () => {
    const { link, pipe } = pipeOverFake()
    void pipe.close()
    link.events.text('end')
    link.events.lost()
    expect(errorCode(await pipe.ended)).toBe('PEER_LOST')
    expect(link.state).toBe('destroyed')
  })
})

describe('before the link is open', () => {
  it('keeps what is to be said, and says it in order', () => {
    const { link, pipe } = pipeOverFake({ opened: false })
    void pipe.close()
    expect(link.sent).toEqual([])
    link.events.opened()
    expect(link.sent).toEqual(['+100000', 'end'])
  })

  it('aborts without a word', async () => {
    const { link, pipe } = pipeOverFake({ opened: false })
    pipe.abort(new Error('over'))
    expect(link.sent).toEqual([])
    expect(link.state).toBe('destroyed')
    link.events.opened()
    expect(link.sent).toEqual([])
  })
})

describe('credit', () => {
  it('is counted with the cost of each message', () => {
    const { link, pipe } = pipeOverFake()
    void pipe.send([new Uint8Array(30_000)])
    expect(link.sent).toEqual(['+100000'])
    link.events.text('+20256')
    expect(link.sent).toEqual(['+100000', 20_000, 'more'])
    link.events.text('+10255')
    // One byte short.
    expect(link.sent).toEqual(['+100000', 20_000, 'more', 'more'])
    link.events.text('+1')
    expect(link.sent.at(-1)).toBe(10_000)
  })

  it('is not spent on crumbs', () => {
    const { link, pipe } = pipeOverFake()
    link.events.text('+100000')
    void pipe.send([new Uint8Array(1_000_000)])
    for (let index = 0; index < 200; index++) link.events.text('+1000')
    const messages = link.sent.filter((message) => typeof message === 'number')
    expect(messages).toHaveLength(5)
    expect(Math.min(...messages)).toBeGreaterThanOrEqual(50_000 - 256)
  })

  it('is asked for once, when bytes wait for nothing else', () => {
    const { link, pipe } = pipeOverFake()
    void pipe.send([new Uint8Array(200_000)])
    expect(link.sent).toEqual(['+100000'])
    link.events.text('+80000')
    link.events.room()
    expect(link.sent).toEqual(['+100000', 65_536, 'more'])
    link.events.text('+80000')
    expect(link.sent).toEqual(['+100000', 65_536, 'more', 65_536, 'more'])
  })

  it('grows while the peer asks for more and the receiver has taken all, up to the largest window', async () => {
    const link = new FakeLink()
    const pipe = new MessagePipe(link, { kind: 'fake', windowBytes: 10_000, largestWindowBytes: 35_000 })
    link.events.opened()
    let release = () => {}
    pipe.receive(
      () =>
        new Promise((resolve) => {
          release = resolve
        }),
    )
    link.events.bytes(new Uint8Array(100))
    link.events.text('more')
    expect(link.sent).toEqual(['+10000'])
    release()
    await Promise.resolve()
    await Promise.resolve()
    for (let index = 0; index < 4; index++) link.events.text('more')
    expect(link.sent).toEqual(['+10000', '+10000', '+15000'])
    // The whole of it may be used, and no byte more.
    link.events.bytes(new Uint8Array(35_000 - 356 - 256))
    link.events.bytes(new Uint8Array(1))
    expect(errorCode(await pipe.ended)).toBe('LIMIT_EXCEEDED')
  })

  it('is given back in steps, for what the receiver is done with', async () => {
    const { link, pipe } = pipeOverFake()
    const releases: (() => void)[] = []
    pipe.receive(() => new Promise((resolve) => releases.push(resolve)))
    link.events.bytes(new Uint8Array(9000))
    link.events.bytes(new Uint8Array(4000))
    expect(link.sent).toEqual(['+100000'])
    for (let turn = 0; turn < 2; turn++) {
      releases.shift()!()
      await Promise.resolve()
      await Promise.resolve()
    }
    expect(link.sent).toEqual(['+100000', `+${9000 + 4000 + 2 * 256}`])
  })
})

describe('a failing link', () => {
  it('is a lost peer, also when it only fails to say something', async () => {
    const { link, pipe } = pipeOverFake()
    link.sendText = () => {
      throw new Error('broken')
    }
    void pipe.close()
    const error = await pipe.ended
    expect(errorCode(error)).toBe('PEER_LOST')
    expect(String((error as Error).cause)).toMatch(/broken/)
  })
})

describe('random use of a pair', () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))('keeps the contract, seed %i', async (seed) => {
    const random = seededRandom(seed)
    const upTo = (limit: number) => Math.floor(random() * limit)
    const windowBytes = 4096 + upTo(100_000)
    const { a, b } = memoryChannels({ windowBytes, messageBytes: 1 + upTo(50_000) })
    const readers = [new StreamReader(), new StreamReader()]
    const late: number[] = []
    for (const [index, channel] of [a, b].entries()) {
      const reader = readers[index]!
      reader.work = () => (random() < 0.5 ? undefined : Promise.resolve())
      if (random() < 0.5) reader.attach(channel)
      else late.push(index)
    }
    const sent = [0, 0]
    const sends: Promise<void>[] = []
    for (let step = 0; step < 60; step++) {
      const side = upTo(2)
      const parts = Array.from({ length: upTo(6) }, () => {
        const part = streamBytes(sent[side]!, upTo(random() < 0.2 ? 60_000 : 300))
        sent[side]! += part.length
        return part
      })
      const send = [a, b][side]!.send(parts)
      sends.push(send)
      if (random() < 0.3) await Promise.resolve()
    }
    for (const index of late) readers[index]!.attach([a, b][index]!)
    const closers = random() < 0.5 ? [a] : [a, b]
    await Promise.all(random() < 0.5 ? sends : [])
    await Promise.all([...closers.map((channel) => channel.close()), a.ended, b.ended])
    expect(await a.ended).toBeUndefined()
    expect(await b.ended).toBeUndefined()
    readers[1]!.check(sent[0]!, `from a, seed ${seed}`)
    readers[0]!.check(sent[1]!, `from b, seed ${seed}`)
    await Promise.all(sends)
  })
})
