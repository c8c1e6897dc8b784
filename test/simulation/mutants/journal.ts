import type { Mutant } from './mutant.ts'

const JOURNAL = 'src/migration/journal/journal.ts'
const OWNERSHIP = 'src/migration/journal/ownership.ts'
const SLOTS = 'src/migration/journal/record-slots.ts'
const SLICES = 'src/migration/journal/slice-writer.ts'
const LOAD = 'src/migration/journal/load-digests.ts'

/** Bugs in what is written down. */
export const journalMutants: readonly Mutant[] = [
  {
    name: 'unread-slices-believed',
    file: LOAD,
    find: '    for (const { first, count } of unread) slices.map.setRun(first, count, PAGE_KIND.void)\n',
    replace: '',
    reason: 'Slices whose record was lost are believed once another slice of their page is told.',
    killedBy: 'test/migration/journal/lost-records.test.ts',
  },
  {
    name: 'flushed-zeroes-doubted',
    file: SLICES,
    find: "      if (covered === 'part') this.#planSlices(plan, life, first, this.#slicesOf(first))\n      else plan",
    replace: '      plan',
    reason:
      'A block that was flushed is lost to the power with the zeroes beside it, and an older copy is fetched over what was written to it.',
    killedBy: 'test/migration/journal/overlapping-flushes.test.ts',
  },
  {
    name: 'stamps-given-again',
    file: JOURNAL,
    find: '    this.#slices.stamp = (Math.floor(this.#slices.stamp / STAMPS_OF_OPENING) + 1) * STAMPS_OF_OPENING\n',
    replace: '',
    reason: 'A generation is used twice: slices whose record was lost count before newer ones.',
    killedBy: 'test/migration/journal/lost-records.test.ts',
  },
  {
    name: 'opening-not-recorded',
    file: JOURNAL,
    find: '    if (this.#hasBegun) return\n',
    replace: '    if (this.#hasBegun || this.#slices.stamp > 0) return\n',
    reason: 'The next opening gives the same stamps, since no record knows of this one.',
    killedBy: 'test/migration/journal/lost-records.test.ts',
  },
  {
    name: 'doubt-of-the-boot-before-forgotten',
    file: JOURNAL,
    find: 'await this.#begin({ bootId: before })',
    replace: 'await this.#begin()',
    reason:
      'A kill in the middle of the first opening after a power loss makes what was not flushed look as if it was.',
    killedBy: 'test/migration/journal/crash-points.test.ts',
  },
  {
    name: 'record-not-flushed',
    file: JOURNAL,
    find: `      await this.#write({ ownership: next })
      await this.#flush()`,
    replace: '      await this.#write({ ownership: next })',
    reason: 'Who owns the disk is lost with the power.',
  },
  {
    name: 'checkpoint-without-flush',
    file: JOURNAL,
    find: '    if (flush) await this.#slices.duringFlush(flush)\n',
    replace: '',
    reason: 'Digests count as those of what is durable, which is not.',
  },
  {
    name: 'checkpoint-record-not-flushed',
    file: JOURNAL,
    find: '      if (flush || ownership) await this.#flush()\n',
    replace: '',
    reason: 'A promise is given that the power takes back.',
  },
  {
    name: 'strike-not-told',
    file: JOURNAL,
    find: '      await this.#slices.strike(this.#life, slices)\n',
    replace: '',
    reason: 'A write begins, and after a kill its block is known by what was there.',
  },
  {
    name: 'other-boot-trusted',
    file: JOURNAL,
    find: "const isSameBoot = bootId !== '' && bootId === record.bootId",
    replace: 'const isSameBoot = true',
    reason: 'After a power loss everything that was written counts, flushed or not.',
  },
  {
    name: 'line-stops-after-a-failure',
    file: JOURNAL,
    find: '    this.#tail = done.catch(() => {}) // Heard by the caller.\n',
    replace: '    this.#tail = done\n    done.catch(() => {})\n',
    reason: 'One write that fails ends the journal for ever.',
  },
  {
    name: 'epoch-not-raised',
    file: OWNERSHIP,
    find: "return { ...bare(ownership), state: 'owner', epoch: migration.nextEpoch, migration, ...outcome({ root, missing }) }",
    replace: "return { ...bare(ownership), state: 'owner', migration, ...outcome({ root, missing }) }",
    reason: 'The new owner has the epoch of the old one.',
  },
  {
    name: 'released-is-open-again',
    file: OWNERSHIP,
    find: "  return { ...bare(ownership), state: 'released', migration, ...outcome(agreed) }",
    replace: "  return { ...bare(ownership), state: 'owner', migration, ...outcome(agreed) }",
    reason: 'What was given away is written down as kept.',
  },
  {
    name: 'commit-not-sent-again',
    file: OWNERSHIP,
    find: "return isOneMigration && source.state === 'released' && destination.state === 'prepared' ? 'send-commit' : 'conflict'",
    replace: "return 'conflict'",
    reason: 'Drops the last word: after a loss between release and commit nobody owns the disk.',
  },
  {
    name: 'prepared-taken-for-owner',
    file: OWNERSHIP,
    find: "return isOneMigration && source.state === 'released' && destination.state === 'prepared' ? 'send-commit' : 'conflict'",
    replace: "return isOneMigration && source.state === 'released' ? 'destination-owns' : 'conflict'",
    reason: 'A promise is taken for the hand-over: the source leaves, and nobody owns the disk.',
  },
  {
    name: 'generation-reused',
    file: SLOTS,
    find: 'view.setBigUint64(8, BigInt(++this.#generation), true)',
    replace: 'view.setBigUint64(8, BigInt(this.#generation || ++this.#generation), true)',
    reason: 'Two records of one generation, and the older one counts.',
  },
  {
    name: 'one-slot-only',
    file: SLOTS,
    find: 'for (let slot = 0; slot < SLOTS; slot++) if (slot !== this.#latest && slot !== this.#durable) return slot\n    return 0',
    replace: 'return 0',
    reason: 'The only record there is gets overwritten in place.',
  },
  {
    name: 'older-record-counts',
    file: SLOTS,
    find: '} else if (found.generation > this.#generation) {',
    replace: '} else if (this.#generation === 0 || found.generation < this.#generation) {',
    reason: 'Accepts an old generation.',
  },
  {
    name: 'torn-record-taken',
    file: SLOTS,
    find: 'return checksum.every((byte, index) => byte === bytes[28 + index])',
    replace: 'return checksum.length > 0',
    reason: 'A record that was torn by a power loss is believed.',
  },
  {
    name: 'flush-counts-what-came-after',
    file: SLICES,
    find: '    this.#flushing.add(flushing)\n    try {\n      await flush()',
    replace: '    try {\n      await flush()\n      covered.or(this.#digests.takeUnflushed())',
    killedBy: 'test/migration/journal/journal.test.ts',
    reason: 'What was noted while the disk was flushed counts as flushed.',
  },
  {
    name: 'doubted-not-stored-again',
    file: SLICES,
    find: '        this.#digests.changedAgain(other.doubted)\n',
    replace: '',
    killedBy: 'test/migration/journal/journal.test.ts',
    reason:
      'Ours, found here: a store under way during a flush says that what the flush covers is not flushed, and after a power loss a new owner fetches it again.',
  },
  {
    name: 'unflushed-is-trusted',
    file: LOAD,
    find: "return trust === 'none' ? 0 : byte & ~(isFlushed ? 0 : found.unflushed[index]!)",
    replace: 'return byte',
    reason: 'After a power loss digests of what was not flushed are believed.',
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
    killedBy: 'test/migration/journal/records.test.ts',
    reason: 'With two slots a power loss in the middle of a write may leave none that is whole.',
  },
  {
    name: 'short-record-accepted',
    file: 'src/migration/journal/record-slots.ts',
    find: '  if (count !== bytes.length) {\n',
    replace: '  if (count > bytes.length) {\n',
    scenario: 'move',
    reason: 'A short write of the record counts as a write.',
  },
  {
    name: 'failed-flush-counts',
    file: 'src/migration/journal/slice-writer.ts',
    find: '      this.#digests.unflushedAgain(covered)\n',
    replace: '',
    killedBy: 'test/migration/journal/journal.test.ts',
    reason: 'A flush that failed counts, once another one succeeds.',
  },
  {
    name: 'read-under-a-write-counts',
    file: 'src/migration/journal/write-intents.ts',
    find: '        if (from < to) digests.bar(from, to - from)\n',
    replace: '',
    killedBy: 'test/migration/journal/write-intents.test.ts',
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
    killedBy: 'test/migration/journal/earlier-strikes.test.ts',
    reason:
      'Ours, found here: a power loss voids what a new owner has told, since the disk was here and was written before.',
  },
  {
    name: 'slices-in-place',
    file: 'src/migration/journal/digest-pages.ts',
    find: 'if (place !== latest && place !== durable) return place - 1',
    replace: 'return place - 1',
    killedBy: 'test/migration/journal/torn-slices.test.ts',
    reason: 'Ours, found here: a torn slice takes with it what was durable.',
  },
  {
    name: 'flush-behind-another',
    file: SLICES,
    find: '        other.covered.clearAll()\n',
    replace: '',
    killedBy: 'test/migration/journal/overlapping-flushes.test.ts',
    reason:
      'Ours, found here: a flush that has ended counts for nothing while an earlier one hangs, and older copies are fetched.',
  },
]
