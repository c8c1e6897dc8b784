import type { Mutant } from './mutant.ts'

const MIGRATOR = 'src/migration/migrator.ts'
const CARRIER = 'src/migration/run-carrier.ts'
const MOVER = 'src/migration/run-mover.ts'
const LIVE = 'src/migration/live-run.ts'
const MIGRATE = 'src/migration/migrate-live.ts'
const FAILURES = 'src/migration/failures.ts'
const FLIGHT = 'src/migration/in-flight.ts'
const SAFE = 'src/migration/safe-blocks.ts'

/** Bugs in what moves blocks and stops the writer. */
export const migrationMutants: readonly Mutant[] = [
  {
    name: 'completes-with-failed-blocks',
    file: MIGRATOR,
    find: '    if (failed) this.#end(failed)\n',
    replace: '',
    reason: 'Silo, WaitForCompletion: blocks that failed vanish, and the migration completes.',
  },
  {
    name: 'completes-with-blocks-under-way',
    file: MIGRATOR,
    find: `      while (!this.#inFlight.isEmpty) await this.#inFlight.change()
      this.#throwIfEnded()`,
    replace: '      this.#throwIfEnded()',
    reason: 'QEMU, preempt channel: completion does not wait for what is still on its way.',
  },
  {
    name: 'dirty-list-loses-its-tail',
    file: MIGRATOR,
    find: '      addBlocks(this.#order, start, count)\n    })\n    dirty.free()',
    replace: '      addBlocks(this.#order, start, Math.max(1, count - 1))\n    })\n    dirty.free()',
    reason: 'Silo, MigrateDirtyWithID: the rest of a dirty list is dropped, and its bits are cleared already.',
  },
  {
    name: 'fresh-is-not-forgotten',
    file: MIGRATOR,
    find: '    this.#mover.forgetFresh()\n',
    replace: '',
    reason: 'A block that became zero is not sent again, since the destination was empty once.',
  },
  {
    name: 'failed-blocks-not-put-back',
    file: MIGRATOR,
    find: `    if (!this.#ended) return
    this.#failures.takeAll((block) => this.#order.add(block))`,
    replace: `    if (!this.#ended) return
    this.#failures.takeAll(() => {})`,
    reason: 'The next migration knows nothing of what failed in this one.',
  },
  {
    name: 'dirty-not-put-back',
    file: CARRIER,
    find: '    for (; next < run.start + run.count; next++) order.add(next)\n',
    replace: '',
    reason: 'Silo, S3 sync: blocks taken from the dirty set are lost with an error or an abort.',
  },
  {
    name: 'short-read-accepted',
    file: MOVER,
    find: "checkCount('SHORT_READ', await this.#source.readAt(slot.bytes, offset, reading), offset, length)",
    replace: 'await this.#source.readAt(slot.bytes, offset, reading)',
    reason: 'What a short read left in the buffer is sent.',
  },
  {
    name: 'short-write-accepted',
    file: MOVER,
    find: "checkCount('SHORT_WRITE', await this.#destination.writeAt(bytes, offset, options), offset, bytes.length)",
    replace: 'await this.#destination.writeAt(bytes, offset, options)',
    reason: 'Silo, migrateBlock: a short write counts as a success.',
  },
  {
    name: 'zeroes-dropped',
    file: MOVER,
    find: `  async #zero(offset: number, length: number, options: IoOptions): Promise<void> {
    if (this.#fresh) return`,
    replace: `  async #zero(offset: number, length: number, options: IoOptions): Promise<void> {
    if (this.#fresh || !this.#destination.zeroAt) return`,
    reason: 'Where there is no discard, blocks that became zero keep their old content.',
  },
  {
    name: 'hole-too-long',
    file: MOVER,
    find: 'const blocks = next ? Math.floor((next.offset - offset) / this.#blockSize)',
    replace: 'const blocks = next ? Math.ceil((next.offset - offset) / this.#blockSize)',
    reason: 'QEMU, discard of huge pages: a hole is rounded up to whole blocks and takes data with it.',
  },
  {
    name: 'last-dirty-not-taken',
    file: LIVE,
    find: '    const told = this.#startRound(this.#options.source.sync())\n    const sent = this.#sendAll()',
    replace: '    const told = Promise.resolve()\n    const sent = this.#sendAll()',
    reason: 'What was written since the last round stays behind.',
  },
  {
    name: 'writer-not-stopped',
    file: LIVE,
    find: '    await this.#migrator.lock()\n',
    replace: '',
    reason: 'The disk is handed over while it is written.',
  },
  {
    name: 'rest-without-last-dirty',
    file: LIVE,
    find: `    await this.#startRound(this.#options.source.sync())
    this.missingBlocks = this.#parts.order.available`,
    replace: '    this.missingBlocks = this.#parts.order.available',
    reason: 'Post-copy, and what was dirty last counts as right over there.',
  },
  {
    name: 'wrong-blocks-not-sent-again',
    file: LIVE,
    find: '    await this.#sendAgain(wrong)\n    await this.#flush()\n    const still = await this.#verify()\n    if (!still) return',
    replace:
      '    wrong.free()\n    if (this.blocksRepaired > 0) return\n    const still = await this.#verify()\n    if (!still) return',
    reason: 'A block that does not read back as sent is counted and left.',
  },
  {
    name: 'not-flushed-before-the-end',
    file: LIVE,
    find: '    await Promise.race([destination.flush(), this.#stopped])\n',
    replace: '',
    reason: 'Stored is taken for durable.',
  },
  {
    name: 'not-unlocked-after-a-failure',
    file: MIGRATE,
    find: '      migrator.unlock()\n',
    replace: '',
    reason: 'QEMU, inactivation: a move that failed does not give the disk back.',
  },
  {
    name: 'unlocked-after-the-release',
    file: MIGRATE,
    find: '    if (!run?.released) {\n',
    replace: '    {\n',
    reason: 'What fails after the hand-over opens a disk that is somebody else’s.',
  },
  {
    name: 'unverified-not-sent-again',
    file: MIGRATE,
    find: "      if (verify === 'read-back') verifier?.forEachUnverified((block) => order.add(block))\n",
    replace: '',
    killedBy: 'test/migration/unproven-again.test.ts',
    reason: 'Stored and not read back counts as proven in the next attempt.',
  },
  {
    name: 'failed-blocks-forgotten',
    file: FAILURES,
    find: '    this.#failedBlocks++\n',
    replace: '',
    reason: 'Failures are noted and not counted.',
  },
  {
    name: 'slots-not-given-back',
    file: FLIGHT,
    find: '    this.#taken[run.type] -= end.parts\n',
    replace: '',
    reason: 'Every run takes a slot, and none comes back.',
  },
  {
    name: 'safe-although-written',
    file: SAFE,
    find: 'return this.#safe.test(block) && !this.#source.isDirty(block)',
    replace: 'return this.#safe.test(block)',
    reason: 'A replica calls a block safe that was written since.',
  },
  {
    name: 'older-copy-not-awaited',
    file: 'src/migration/run-carrier.ts',
    find: '      for (let older = inFlight.olderOverlap(run); older; older = inFlight.olderOverlap(run)) await older.ended\n',
    replace: '',
    killedBy: 'test/migration/ordering.test.ts',
    reason: 'An older copy that is still under way lands last.',
  },
  {
    name: 'hole-answer-from-another-round',
    file: 'src/migration/run-carrier.ts',
    find: '      if (this.#parts.round() !== askedInRound) return 0\n',
    replace: '',
    killedBy: 'test/migration/holes.test.ts',
    reason: 'A block is taken for a hole by an answer older than the write that made it dirty.',
  },
  {
    name: 'hole-blocks-not-put-back',
    file: 'src/migration/run-carrier.ts',
    find: '        for (; run.count > count; run.count--) order.add(run.start + run.count - 1)\n',
    replace: '        run.count = count\n',
    killedBy: 'test/migration/holes.test.ts',
    reason: 'Blocks that a hole took along are lost when the attempt fails.',
  },
  {
    name: 'not-unlocked-after-a-long-pause',
    file: 'src/migration/live-run.ts',
    find: '      this.#migrator.unlock()\n',
    replace: '',
    killedBy: 'test/migration/live.test.ts',
    reason: 'The writer is stopped too long, and not let go again for another round.',
  },
  {
    name: 'rest-not-told',
    file: 'src/migration/live-run.ts',
    find: `    await this.#startRound(this.#options.source.sync())
    this.missingBlocks = this.#parts.order.available`,
    replace: `    void this.#startRound(this.#options.source.sync()).catch(() => {})
    this.missingBlocks = this.#parts.order.available`,
    killedBy: 'test/migration/told-in-time.test.ts',
    reason: 'The disk changes hands before the destination has heard which of its copies are void.',
  },
  {
    name: 'kept-before-tracked',
    file: 'src/migration/migrate-live.ts',
    find: '    if (!options.isTracked) trackTheRest(source, order)\n',
    replace: '',
    killedBy: 'test/migration/told-in-time.test.ts',
    reason: 'QEMU, mirror: blocks that are not to be sent are not watched either.',
  },
  {
    name: 'abort-not-seen-after-the-lock',
    file: 'src/migration/writer-gate.ts',
    find: '      if (!this.#locked) throwIfAborted(signal)\n',
    replace: '',
    killedBy: 'test/migration/writer-gate.test.ts',
    reason: 'libvirt, cancel and STOP: the state is not looked at again after the wait.',
  },
  {
    name: 'failed-lock-stays',
    file: 'src/migration/writer-gate.ts',
    find: '      this.unlock()\n      throwIfAborted(signal)\n      throw error',
    replace: '      throwIfAborted(signal)\n      throw error',
    killedBy: 'test/migration/writer-gate.test.ts',
    reason: 'A lock that was given up stays closed.',
  },
  {
    name: 'run-ends-unheard',
    file: 'src/migration/in-flight.ts',
    find: '    end.resolve()\n    this.wake()',
    replace: '    this.wake()',
    killedBy: 'test/migration/ordering.test.ts',
    reason: 'Whoever waits for an older copy waits for ever.',
  },
  {
    name: 'rest-not-flushed',
    file: 'src/migration/move-rest.ts',
    find: '    } while (order.available > 0)\n    await destination.flush()',
    replace: '    } while (order.available > 0)',
    killedBy: 'test/migration/strategy.test.ts',
    reason: 'The source goes before what it sent last is durable.',
  },
]
