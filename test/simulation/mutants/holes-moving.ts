import type { Mutant } from './mutant.ts'

/** Holes in modules, in moving blocks and in what is written down. */
export const movingHoles: readonly Mutant[] = [
  {
    name: 'lock-does-not-gate',
    file: 'src/modules/lockable.ts',
    find: "    if (this.#state === 'open') return this.#run(write)\n",
    replace: "    if (this.#state !== 'locked') return this.#run(write)\n",
    scenario: 'move',
    reason: 'While the gate drains, new writes still pass it.',
  },
  {
    name: 'cache-torn-block-stays',
    file: 'src/modules/waiting-cache-blocks.ts',
    find: '    this.#present.clearRange(start, end)\n    this.#expected.clearRange(start, end)\n',
    replace: '    this.#expected.clearRange(start, end)\n',
    scenario: 'move',
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
    scenario: 'move',
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
    scenario: 'move',
    reason: 'A write called before a dirty list makes its block present after it.',
  },
  {
    name: 'cache-does-not-outdate',
    file: 'src/modules/waiting-cache-remote.ts',
    find: '    order.outdate(field)\n',
    replace: '',
    scenario: 'move',
    reason: 'Arrivals under way are not told that they are void.',
  },
  {
    name: 'cache-write-line-ignored',
    file: 'src/modules/waiting-cache-local.ts',
    find: '    return !this.#line.isBefore(offset, span.length)\n',
    replace: '    return true\n',
    scenario: 'move',
    reason: 'A newer write overtakes an older one that waits for its edges.',
  },
  {
    name: 'older-copy-not-awaited',
    file: 'src/migration/run-carrier.ts',
    find: '      for (let older = inFlight.olderOverlap(run); older; older = inFlight.olderOverlap(run)) await older.ended\n',
    replace: '',
    scenario: 'copy',
    reason: 'An older copy that is still under way lands last.',
  },
  {
    name: 'hole-answer-from-another-round',
    file: 'src/migration/run-carrier.ts',
    find: '      if (this.#parts.round() !== askedInRound) return 0\n',
    replace: '',
    scenario: 'copy',
    reason: 'A block is taken for a hole by an answer older than the write that made it dirty.',
  },
  {
    name: 'hole-blocks-not-put-back',
    file: 'src/migration/run-carrier.ts',
    find: '        for (; run.count > count; run.count--) order.add(run.start + run.count - 1)\n',
    replace: '        run.count = count\n',
    scenario: 'copy',
    reason: 'Blocks that a hole took along are lost when the attempt fails.',
  },
  {
    name: 'failed-write-leaves-it-fresh',
    file: 'src/migration/run-mover.ts',
    find: `      // What part of the range was written is unknown now.
      this.#fresh = false
`,
    replace: '',
    scenario: 'copy',
    reason: 'After a torn write zeroes are still not sent.',
  },
  {
    name: 'not-unlocked-after-a-long-pause',
    file: 'src/migration/live-run.ts',
    find: '      this.#migrator.unlock()\n',
    replace: '',
    scenario: 'copy',
    reason: 'The writer is stopped too long, and not let go again for another round.',
  },
  {
    name: 'rest-not-told',
    file: 'src/migration/live-run.ts',
    find: `    await this.#startRound(this.#options.source.sync())
    this.missingBlocks = this.#parts.order.available`,
    replace: `    void this.#startRound(this.#options.source.sync()).catch(() => {})
    this.missingBlocks = this.#parts.order.available`,
    scenario: 'killed owner',
    reason: 'The disk changes hands before the destination has heard which of its copies are void.',
  },
  {
    name: 'kept-before-tracked',
    file: 'src/migration/migrate-live.ts',
    find: '    if (!options.isTracked) trackTheRest(source, order)\n',
    replace: '',
    scenario: 'killed owner',
    reason: 'QEMU, mirror: blocks that are not to be sent are not watched either.',
  },
  {
    name: 'abort-not-seen-after-the-lock',
    file: 'src/migration/writer-gate.ts',
    find: '      if (!this.#locked) throwIfAborted(signal)\n',
    replace: '',
    scenario: 'copy',
    reason: 'libvirt, cancel and STOP: the state is not looked at again after the wait.',
  },
  {
    name: 'failed-lock-stays',
    file: 'src/migration/writer-gate.ts',
    find: '      this.unlock()\n      throwIfAborted(signal)\n      throw error',
    replace: '      throwIfAborted(signal)\n      throw error',
    scenario: 'copy',
    reason: 'A lock that was given up stays closed.',
  },
  {
    name: 'run-ends-unheard',
    file: 'src/migration/in-flight.ts',
    find: '    end.resolve()\n    this.wake()',
    replace: '    this.wake()',
    scenario: 'copy',
    reason: 'Whoever waits for an older copy waits for ever.',
  },
  {
    name: 'rest-not-flushed',
    file: 'src/migration/move-rest.ts',
    find: '    } while (order.available > 0)\n    await destination.flush()',
    replace: '    } while (order.available > 0)',
    scenario: 'killed owner',
    reason: 'The source goes before what it sent last is durable.',
  },
  {
    name: 'record-told-before-stored',
    file: 'src/migration/journal/journal.ts',
    find: `      await this.#write({ ownership: next })
      await this.#flush()
      this.#ownership = next`,
    replace: `      this.#ownership = next
      await this.#write({ ownership: next })
      await this.#flush()`,
    scenario: 'killed',
    reason: 'A record that could not be stored is believed all the same.',
  },
  {
    name: 'forgets-only-in-memory',
    file: 'src/migration/journal/journal.ts',
    find: 'return this.#slices.isTold(start, count) ? this.#forgetAll() : Promise.resolve()',
    replace: 'return Promise.resolve()',
    scenario: 'killed',
    reason: 'Known digests are not forgotten on the place.',
  },
  {
    name: 'lazy-not-recorded',
    file: 'src/migration/journal/journal.ts',
    find: '        await this.#write({ forgetsLazily: true })\n',
    replace: '',
    scenario: 'killed',
    reason: 'Strikes that were not flushed are lost with the power, and the journal does not know that they can be.',
  },
  {
    name: 'lazy-journal-trusted',
    file: 'src/migration/journal/journal.ts',
    find: "record.forgetsLazily || flushesMayBeLost ? 'none' : 'flushed'",
    replace: "flushesMayBeLost ? 'none' : 'flushed'",
    scenario: 'killed',
    reason: 'A journal with strikes that may be lost is believed after a power loss.',
  },
  {
    name: 'durable-slot-overwritten',
    file: 'src/migration/journal/record-slots.ts',
    find: 'if (slot !== this.#latest && slot !== this.#durable) return slot',
    replace: 'if (slot !== this.#latest) return slot',
    scenario: 'killed',
    reason: 'With two slots a power loss in the middle of a write may leave none that is whole.',
  },
  {
    name: 'short-record-accepted',
    file: 'src/migration/journal/record-slots.ts',
    find: '  if (count !== bytes.length) {\n',
    replace: '  if (count > bytes.length) {\n',
    scenario: 'killed',
    reason: 'A short write of the record counts as a write.',
  },
  {
    name: 'failed-flush-counts',
    file: 'src/migration/journal/slice-writer.ts',
    find: '      this.#digests.unflushedAgain(covered)\n',
    replace: '',
    scenario: 'killed',
    reason: 'A flush that failed counts, once another one succeeds.',
  },
  {
    name: 'read-under-a-write-counts',
    file: 'src/migration/journal/write-intents.ts',
    find: '        if (from < to) digests.bar(from, to - from)\n',
    replace: '',
    scenario: 'killed',
    reason: 'What is read while it is written is known by what was read.',
  },
  {
    name: 'write-does-not-bar',
    file: 'src/migration/journal/write-intents.ts',
    find: '      digests.bar(start, count)\n      return strike(start, count)',
    replace: '      digests.forget(start, count)\n      return strike(start, count)',
    scenario: 'killed',
    reason: 'What was read before a write is noted after it.',
  },
  {
    name: 'strikes-stay-lazy',
    file: 'src/migration/journal/journal.ts',
    find: "      if (ownership?.state === 'prepared') await this.#strikesAreDurable()\n",
    replace: '',
    scenario: 'killed owner',
    reason:
      'Ours, found here: a power loss voids what a new owner has told, since the disk was here and was written before.',
  },
  {
    name: 'slices-in-place',
    file: 'src/migration/journal/digest-pages.ts',
    find: 'if (place !== latest && place !== durable) return place - 1',
    replace: 'return place - 1',
    scenario: 'killed owner',
    reason: 'Ours, found here: a torn slice takes with it what was durable.',
  },
  {
    name: 'doubt-taken-for-failure',
    file: 'src/devices/hand-over.ts',
    find: `        this.doubt = new StorageError('IN_DOUBT', 'It could not be stored whether the disk was given away.', { cause })
        return
`,
    replace: '        throw cause\n',
    scenario: 'move',
    reason: 'Nobody knows whether the disk was given away, and the source runs on.',
  },
  {
    name: 'cancel-not-sent',
    file: 'src/devices/hand-over.ts',
    find: 'if (isPrepared) await this.requests.cancel(this.#nextEpoch).catch(() => {})',
    replace: 'if (isPrepared) await Promise.resolve()',
    scenario: 'killed',
    reason: 'A destination stays prepared for a hand-over that will not come.',
  },
  {
    name: 'cancel-not-awaited',
    file: 'src/devices/hand-over.ts',
    find: 'if (isPrepared) await this.requests.cancel(this.#nextEpoch).catch(() => {})',
    replace: 'if (isPrepared) void this.requests.cancel(this.#nextEpoch).catch(() => {})',
    scenario: 'killed',
    reason: 'A late cancel takes back a newer promise.',
  },
  {
    name: 'prepare-while-blocks-are-stored',
    file: 'src/devices/arriving-session.ts',
    find: `        await this.#face.idle()
        const missing = cache.missingBlocks`,
    replace: '        const missing = cache.missingBlocks',
    scenario: 'killed',
    reason: 'QEMU, preempt channel: the end does not wait for what is on its way on another lane.',
  },
  {
    name: 'prepare-with-missing-blocks',
    file: 'src/devices/arriving-session.ts',
    find: 'if (missing > (restFollows ? packet.missingBlocks : 0)) {',
    replace: 'if (missing > packet.missingBlocks + 1) {',
    scenario: 'killed',
    reason: 'Off by one: a disk is whole with one block missing.',
  },
  {
    name: 'prepare-leaves-the-face-open',
    file: 'src/devices/arriving-session.ts',
    find: `      this.#face.admission = 'closed'
      try {
        await this.#face.idle()`,
    replace: `      try {
        await this.#face.idle()`,
    scenario: 'killed',
    reason: 'Blocks are taken while the hand-over is prepared and after it.',
  },
  {
    name: 'failed-prepare-stays-closed',
    file: 'src/devices/arriving-session.ts',
    find: `      } catch (error) {
        this.#face.admission = 'open'
        throw error`,
    replace: `      } catch (error) {
        throw error`,
    scenario: 'killed',
    reason: 'QEMU, recovery: the step that fails has no way back.',
  },
  {
    name: 'own-before-stored',
    file: 'src/devices/arriving-session.ts',
    find: `      if (next !== journal.ownership) await journal.become(next)
      if (next.missing) this.#face.admission = 'missing'
      this.#disk.own()`,
    replace: `      if (next.missing) this.#face.admission = 'missing'
      this.#disk.own()
      if (next !== journal.ownership) await journal.become(next)`,
    scenario: 'killed',
    reason: 'The gate opens before the new owner is written down.',
  },
]
