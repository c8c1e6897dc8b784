import type { Mutant } from './mutant.ts'

const TRACKER = 'src/modules/dirty-tracker.ts'
const LOCKABLE = 'src/modules/lockable.ts'
const BLOCKS = 'src/modules/waiting-cache-blocks.ts'
const LOCAL = 'src/modules/waiting-cache-local.ts'
const REMOTE = 'src/modules/waiting-cache-remote.ts'
const WAITS = 'src/modules/waiting-cache-waits.ts'
const ORDER = 'src/modules/waiting-cache-order.ts'

/** Bugs in what watches, locks and waits. */
export const modulesMutants: readonly Mutant[] = [
  {
    name: 'mark-before-write',
    file: TRACKER,
    find: `    const { length } = data
    try {
      return await this.inner.writeAt(data, offset, options)
    } finally {
      this.#blocks.mark(offset, length)
    }`,
    replace: `    this.#blocks.mark(offset, data.length)
    return this.inner.writeAt(data, offset, options)`,
    reason: 'A block that is taken and read while its write is under way keeps its old content for ever.',
  },
  {
    name: 'failed-write-not-dirty',
    file: TRACKER,
    find: `    try {
      const ready = this.#hooks.beforeWrite(offset, length)
      if (ready) await ready
      return await write()
    } finally {
      this.#blocks.mark(offset, length)
      this.#hooks.afterWrite?.(offset, length)
    }`,
    replace: `    const ready = this.#hooks.beforeWrite(offset, length)
    if (ready) await ready
    const count = await write()
    this.#blocks.mark(offset, length)
    this.#hooks.afterWrite?.(offset, length)
    return count`,
    reason: 'Silo, localWriteAt: a write that fails after a part took effect leaves its blocks clean.',
  },
  {
    name: 'synchronous-write-not-dirty',
    file: TRACKER,
    find: `          return source.writeAtSync!(data, offset)
        } finally {
          blocks.mark(offset, data.length)
        }`,
    replace: `          return source.writeAtSync!(data, offset)
        } finally {
        }`,
    reason: 'A second way in that nobody watches.',
  },
  {
    name: 'intents-after-write',
    file: TRACKER,
    find: `      const ready = this.#hooks.beforeWrite(offset, length)
      if (ready) await ready
      return await write()`,
    replace: `      const count = await write()
      const ready = this.#hooks.beforeWrite(offset, length)
      if (ready) await ready
      return count`,
    reason: 'After a kill the journal knows a block by a digest that is not its content any more.',
  },
  {
    name: 'track-after-read',
    file: TRACKER,
    find: `    this.#reading(offset, target.length)
    return this.inner.readAt(target, offset, options)`,
    replace: `    return this.inner.readAt(target, offset, options).then((count) => {
      this.#reading(offset, target.length)
      return count
    })`,
    reason: 'QEMU, mirror: what is written while the first read is under way is missed.',
  },
  {
    name: 'track-not-the-tail',
    file: TRACKER,
    find: 'else this.#tracking.setRange(first, last + 1)',
    replace: 'else this.#tracking.setRange(first, last)',
    reason: 'Off by one: the last block of a run is not watched.',
  },
  {
    name: 'mark-not-the-tail',
    file: TRACKER,
    find: 'for (let block = this.#block(offset); block <= last; block++) {',
    replace: 'for (let block = this.#block(offset); block < Math.max(last, this.#block(offset) + 1); block++) {',
    reason: 'Off by one on the last block of a write.',
  },
  {
    name: 'holes-not-tracked',
    file: TRACKER,
    find: `        // An answer "this is a hole" stands for a read of zeroes.
        blocks.track(offset, length)
`,
    replace: '',
    reason: 'What is written into a hole after it was told to be one is missed.',
  },
  {
    name: 'lock-skips-the-drain',
    file: LOCKABLE,
    find: "this.#state = this.#inFlight === 0 ? 'locked' : 'draining'",
    replace: "this.#state = 'locked'",
    reason: 'A write in flight lands after the last dirty snapshot.',
  },
  {
    name: 'drained-at-the-first-end',
    file: LOCKABLE,
    find: "if (this.#inFlight > 0 || this.#state !== 'draining') return",
    replace: "if (this.#state !== 'draining') return",
    reason: 'The barrier opens when the first of several writes has ended.',
  },
  {
    name: 'held-writes-not-started',
    file: LOCKABLE,
    find: "      if (this.#state === 'open') start()\n",
    replace: '',
    reason: 'Forgets to re-arm: writes that waited at the gate wait for ever.',
  },
  {
    name: 'cache-overwrites-own-blocks',
    file: BLOCKS,
    find: '    const start = this.#own.nextClear(from, end)\n    if (start >= end) return undefined',
    replace:
      '    const start = from\n    if (start >= end) return undefined\n    if (this.#missing >= 0) return [start, end]',
    reason: 'Silo, waiting cache: an arriving block replaces what was written here.',
  },
  {
    name: 'cache-edge-counts-as-whole',
    file: BLOCKS,
    find: 'let wholeStart = start * this.blockSize === offset ? start : start + 1',
    replace: 'let wholeStart = start',
    reason: 'A block that is written in part counts as written whole, the rest of it being anything.',
  },
  {
    name: 'cache-short-last-block-never-whole',
    file: BLOCKS,
    find: 'let wholeEnd = stop === this.size ? end : this.#block(stop)',
    replace: 'let wholeEnd = this.#block(stop)',
    reason: 'Off by one on the tail: a short last block never arrives.',
  },
  {
    name: 'cache-has-looks-at-first-block',
    file: BLOCKS,
    find: 'return first === last ? this.#present.test(first) : this.#present.nextClear(first, last + 1) > last',
    replace: 'return last >= first && this.#present.test(first)',
    reason: 'A read of several blocks goes on when the first is here.',
  },
  {
    name: 'cache-reads-without-a-second-look',
    file: LOCAL,
    find: 'while (span && blocks.firstMissing(span) >= 0) await waits.until(span, options?.signal)',
    replace: 'if (span && blocks.firstMissing(span) >= 0) await waits.until(span, options?.signal)',
    killedBy: 'test/modules/second-look.test.ts',
    reason: 'libvirt, cancel and STOP: what was true before a wait is not looked at again after it.',
  },
  {
    name: 'cache-write-does-not-own',
    file: LOCAL,
    find: 'blocks.own(span.start, span.end, (start, end) => taken.push([start, end]))',
    replace: 'blocks.arrive(span.start, span.end)',
    reason: 'What was written here counts as arrived, and the next arrival replaces it.',
  },
  {
    name: 'cache-short-arrival-accepted',
    file: REMOTE,
    find: 'checkCount(await store(from, to), to - from)',
    replace: 'await store(from, to)',
    reason: 'Silo, migrateBlock: a write that took fewer bytes counts as a write.',
  },
  {
    name: 'cache-lost-peer-not-told',
    file: WAITS,
    find: 'for (const waits of [this.#forAll, ...this.#waits.values()]) for (const wait of [...waits]) wait.reject(reason)',
    replace: '',
    reason: 'Silo, waiting cache: a lost peer hangs reads for ever.',
  },
  {
    name: 'cache-wakes-only-the-first',
    file: WAITS,
    find: 'for (const waits of found) for (const wait of [...waits]) this.#moveOn(wait)',
    replace: 'for (const waits of found) for (const wait of [...waits].slice(0, 1)) this.#moveOn(wait)',
    reason: 'Two calls wait for one block, and one of them is forgotten.',
  },
  {
    name: 'cache-turns-do-not-exclude',
    file: ORDER,
    find: "if (turn.start < end && start < turn.end && (side === 'remote' || turn.side === 'remote')) return true",
    replace: '',
    reason: 'Silo, waiting cache: a write here and an arrival of the same block mix.',
  },
  {
    name: 'cache-waiting-turn-not-woken',
    file: ORDER,
    find: '      turn.wake?.()\n',
    replace: '',
    reason: 'Forgets to re-arm: a write that had to wait for its turn waits for ever.',
  },
  {
    name: 'lock-does-not-gate',
    file: 'src/modules/lockable.ts',
    find: "    if (this.#state === 'open') return this.#run(write)\n",
    replace: "    if (this.#state !== 'locked') return this.#run(write)\n",
    killedBy: 'test/modules/lockable.test.ts',
    reason: 'While the gate drains, new writes still pass it.',
  },
  {
    name: 'cache-torn-block-stays',
    file: 'src/modules/waiting-cache-blocks.ts',
    find: '    this.#present.clearRange(start, end)\n    this.#expected.clearRange(start, end)\n',
    replace: '    this.#expected.clearRange(start, end)\n',
    killedBy: 'test/modules/waiting-cache-writes.test.ts',
    reason: 'Half of a failed write is read as if it were whole.',
  },
  {
    name: 'cache-failed-arrival-not-torn',
    file: 'src/modules/waiting-cache-remote.ts',
    find: `      checkCount(await store(from, to), to - from)
    } catch (error) {
      this.#parts.blocks.tear(start, end)
      throw error`,
    replace: `      checkCount(await store(from, to), to - from)
    } catch (error) {
      throw error`,
    killedBy: 'test/modules/waiting-cache-writes.test.ts',
    reason: 'A newer copy that failed to be stored leaves who knows what, and the block still counts as here.',
  },
  {
    name: 'cache-stale-arrival-is-present',
    file: 'src/modules/waiting-cache-remote.ts',
    find: `      if (stale?.has(from)) continue
      const first = from
      while (from < stop && !stale?.has(from)) from++`,
    replace: `      const first = from
      while (from < stop) from++`,
    killedBy: 'test/modules/waiting-cache-writes.test.ts',
    reason: 'A write called before a dirty list makes its block present after it.',
  },
  {
    name: 'cache-does-not-outdate',
    file: 'src/modules/waiting-cache-remote.ts',
    find: '    order.outdate(field)\n',
    replace: '',
    killedBy: 'test/modules/waiting-cache-writes.test.ts',
    reason: 'Arrivals under way are not told that they are void.',
  },
  {
    name: 'cache-write-line-ignored',
    file: 'src/modules/waiting-cache-local.ts',
    find: '    return !this.#line.isBefore(offset, span.length)\n',
    replace: '    return true\n',
    killedBy: 'test/modules/waiting-cache-writes.test.ts',
    reason: 'A newer write overtakes an older one that waits for its edges.',
  },
]
