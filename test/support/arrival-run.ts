import { seededRandom } from '../../src/async/random.ts'
import { errorCode } from '../../src/errors/storage-error.ts'
import { createWaitingCache, type WaitingCache } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { IoOptions, StorageProvider } from '../../src/storage/provider.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'
import { ArrivalHistory, bytesOf, type KnownWrite, type Side, UNTOUCHED } from './arrival-history.ts'
import { byChance, FlakyStorage } from './flaky-storage.ts'
import { SlowStorage } from './slow-storage.ts'
import { VirtualClock } from './virtual-clock.ts'

const BLOCK = 512

/** Four blocks and a short one. */
const SIZE = 4 * BLOCK + 100
const BLOCKS = 5

/** Longer than any case takes; who is not done by then hangs. */
const HANGING_MS = 1e6

/** One step of a run. Numbers are taken modulo what there is. */
export interface Step {
  readonly what:
    | 'read'
    | 'write'
    | 'zero'
    | 'arrive'
    | 'arrive in part'
    | 'arrive zeroed'
    | 'invalidate'
    | 'available'
    | 'fail'
    | 'resume'
  readonly from: number
  readonly length: number
  readonly blocks: number
  readonly afterMs: number
  /** The signal of the call fires after this time; none from 8 on. */
  readonly abortMs: number
}

/** What a run happens on. */
export interface Conditions {
  readonly seed: number
  /** How likely a call of the storage fails. */
  readonly faults: number
}

/** Notes when a local write reaches the storage. */
class Witness extends StorageWrapper {
  readonly begun: (data: Uint8Array | undefined) => void
  zeroAt = (offset: number, length: number): Promise<number> => {
    this.begun(undefined)
    return this.inner.zeroAt!(offset, length)
  }

  constructor(inner: StorageProvider, begun: (data: Uint8Array | undefined) => void) {
    super(inner)
    this.begun = begun
  }

  override writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    this.begun(data)
    return this.inner.writeAt(data, offset, options)
  }
}

/** Drives a waiting cache through steps, checks every read, then lets a peer answer what was asked for and expects every call to end. */
export class ArrivalRun {
  readonly #clock = new VirtualClock()
  readonly #history = new ArrivalHistory(SIZE, BLOCK)
  readonly #flaky: FlakyStorage
  readonly #cache: WaitingCache
  readonly #begun = new Map<Uint8Array, KnownWrite>()
  /** Blocks the peer was asked for and has not sent since. */
  readonly #wanted = new Set<number>()
  #calls: Promise<void>[] = []
  #lost = false
  readonly #faultless: boolean

  constructor({ seed, faults }: Conditions) {
    const random = seededRandom(seed)
    const memory = new MemoryStorage(SIZE)
    memory.writeAtSync(new Uint8Array(SIZE).fill(UNTOUCHED), 0)
    const latencyMs = () => Math.floor(random() * 4)
    this.#flaky = new FlakyStorage(
      new SlowStorage(memory, { clock: this.#clock, latencyMs, random }),
      faults > 0
        ? byChance(random, { read: faults, write: faults, zero: faults }, [
            { effect: 0 },
            { effect: 0.6 },
            { how: 'throw' },
          ])
        : undefined,
    )
    this.#faultless = faults === 0
    this.#cache = createWaitingCache(new Witness(this.#flaky, (data) => this.#begin(data)), BLOCK, {
      needAt: (offset, length) => this.#need(offset, length),
      dontNeedAt: (offset, length) => {
        for (let at = offset; at < offset + length; at += BLOCK) this.#wanted.delete(at / BLOCK)
      },
    })
  }

  async run(steps: readonly Step[]): Promise<void> {
    const aborts = steps.some(({ abortMs }) => abortMs < 8)
    for (const step of steps) {
      if (step.afterMs > 0) await this.#clock.sleep(step.afterMs)
      this.#step(step, this.#faultless && !aborts)
    }
    await this.#drain()
    await this.#cache.local.close()
  }

  #strict = false

  #step({ what, from, length, blocks, abortMs }: Step, strict: boolean): void {
    this.#strict = strict
    const offset = from % SIZE
    const first = blocks % BLOCKS
    const end = Math.min(SIZE, (first + 1 + (length % 3)) * BLOCK)
    if (what === 'read') this.#read(offset, length, abortMs)
    else if (what === 'write' && from % 3 === 0) this.#write('local', first * BLOCK, end - first * BLOCK, abortMs)
    else if (what === 'write') this.#write('local', offset, length, abortMs)
    else if (what === 'zero') this.#write('local', offset, length, abortMs, 'zero')
    else if (what === 'arrive') this.#write('remote', first * BLOCK, end - first * BLOCK, abortMs)
    else if (what === 'arrive zeroed') this.#write('remote', first * BLOCK, end - first * BLOCK, abortMs, 'zero')
    else if (what === 'arrive in part') this.#write('remote', offset, length, abortMs)
    else if (what === 'invalidate') this.#invalidate(blocks)
    else if (what === 'available') this.#available(first)
    else if (what === 'fail') {
      this.#lost = true
      this.#wanted.clear()
      this.#cache.fail()
    } else {
      this.#lost = false
      this.#wanted.clear()
      this.#cache.resume()
    }
  }

  #need(offset: number, length: number): void {
    const end = Math.min(SIZE, Math.ceil((offset + length) / BLOCK) * BLOCK)
    must(offset % BLOCK === 0 && end === offset + length, 'whole blocks are asked for')
    must(!this.#lost, 'a lost peer is asked for nothing')
    for (let block = offset / BLOCK; block * BLOCK < offset + length; block++) {
      must(!this.#cache.isPresent(block), `block ${block} is asked for and missing`)
      must(!this.#strict || !this.#wanted.has(block), `block ${block} is asked for once`)
      this.#wanted.add(block)
    }
  }

  #begin(data: Uint8Array | undefined): void {
    const zeroing = (write: KnownWrite) =>
      write.side === 'local' && write.kind === 'zero' && write.outcome === 'pending'
    const begun = data ? [this.#begun.get(data)] : this.#history.writes.filter(zeroing)
    for (const write of begun) if (write) this.#history.begin(write)
  }

  #read(offset: number, length: number, abortMs: number): void {
    const bytes = new Uint8Array(Math.min(length, SIZE - offset))
    const calledAt = this.#history.now()
    const options = this.#signal(abortMs)
    const reading = promised(() => this.#cache.local.readAt(bytes, offset, options)).then((count) => {
      must(count === bytes.length, 'a read is complete')
      const wrong = this.#history.wrong({ offset, bytes, calledAt, endedAt: this.#history.now() })
      if (wrong) throw new Error(wrong)
    })
    this.#calls.push(reading.catch((error) => this.#excuse(error)))
  }

  #write(side: Side, offset: number, length: number, abortMs: number, kind: 'data' | 'zero' = 'data'): void {
    const write = this.#history.call(side, offset, length, kind)
    const data = bytesOf(write)
    if (side === 'local') this.#begun.set(data, write)
    const whole = side === 'remote' ? this.#wholeBlocks(write) : []
    for (const block of whole) this.#wanted.delete(block)
    const face = this.#cache[side]
    const options = this.#signal(abortMs)
    const writing = promised(() =>
      kind === 'zero' ? face.zeroAt!(offset, data.length) : face.writeAt(data, offset, options),
    )
    this.#calls.push(
      writing.then(
        (count) => {
          must(count === data.length, 'a write is complete')
          this.#history.end(write, 'acknowledged')
        },
        (error) => {
          this.#history.end(write, 'failed')
          // A source sends again what did not arrive.
          for (const block of whole) this.#wanted.add(block)
          this.#excuse(error)
        },
      ),
    )
  }

  #wholeBlocks({ offset, end }: KnownWrite): number[] {
    const blocks: number[] = []
    for (let block = Math.ceil(offset / BLOCK); Math.min(SIZE, (block + 1) * BLOCK) <= end && block < BLOCKS; block++) {
      blocks.push(block)
    }
    return blocks
  }

  #invalidate(bits: number): void {
    const blocks = Array.from({ length: BLOCKS }, (_, block) => block).filter((block) => bits & (1 << block))
    this.#history.invalidate(blocks)
    for (const block of blocks) this.#wanted.delete(block)
    this.#cache.remote.invalidate(blocks)
  }

  /** Says that a block is right as it is, which is true as long as nobody has written to it. */
  #available(block: number): void {
    const [from, to] = [block * BLOCK, Math.min(SIZE, (block + 1) * BLOCK)]
    if (this.#history.writes.some((write) => write.offset < to && from < write.end)) return
    this.#history.end(this.#history.call('remote', from, to - from, 'as it was'), 'acknowledged')
    this.#wanted.delete(block)
    this.#cache.remote.available(from, to - from)
  }

  #signal(abortMs: number): IoOptions {
    if (abortMs >= 8) return {}
    const abort = new AbortController()
    void this.#clock.sleep(abortMs).then(() => abort.abort())
    return { signal: abort.signal }
  }

  /** What may go wrong with a call; all else is a failure of the test. */
  #excuse(error: unknown): void {
    const code = errorCode(error)
    if (code === 'ABORTED' || code === 'PEER_LOST') return
    if (!this.#faultless && (code === 'READ_FAILED' || code === 'WRITE_FAILED')) return
    throw error
  }

  /** The peer answers every request and sends nothing else; then everything; all calls must end, and the disk be right. */
  async #drain(): Promise<void> {
    this.#flaky.plan = undefined
    if (this.#lost) {
      this.#lost = false
      this.#wanted.clear()
      this.#cache.resume()
    }
    await this.#settle(() => [...this.#wanted])
    must(this.#cache.waitingCalls === 0, 'nobody waits once all requests are answered')
    await this.#settle(() =>
      Array.from({ length: BLOCKS }, (_, block) => block).filter((block) => !this.#cache.isPresent(block)),
    )
    must(this.#cache.missingBlocks === 0, 'nothing is missing once all has arrived')
    await this.#cache.whenComplete()
    this.#read(0, SIZE, 8)
    await this.#settle(() => [])
  }

  async #settle(send: () => number[]): Promise<void> {
    do {
      for (const block of send()) this.#write('remote', block * BLOCK, Math.min(BLOCK, SIZE - block * BLOCK), 8)
      // Answers may lead to further requests; who was asked for nothing more waits for nothing more.
      await this.#clock.sleep(100)
    } while (send().length > 0)
    const calls = this.#calls
    this.#calls = []
    let ended = false
    const hanging = this.#clock.sleep(HANGING_MS).then(() => must(ended, 'every call ends'))
    await Promise.race([Promise.all(calls), hanging])
    ended = true
  }
}

/** Storages that throw before there is a promise are allowed here. */
function promised(call: () => Promise<number>): Promise<number> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** A plain check: an assertion library costs more than the run itself. */
function must(condition: boolean, statement: string): void {
  if (!condition) throw new Error(`expected: ${statement}`)
}
