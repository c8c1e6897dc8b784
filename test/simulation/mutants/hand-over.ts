import type { Mutant } from './mutant.ts'

const HAND_OVER = 'src/devices/hand-over.ts'
const SESSION = 'src/devices/arriving-session.ts'

/** Bugs in who owns the disk, and in what must be there before it changes hands. */
export const handOverMutants: readonly Mutant[] = [
  {
    name: 'release-not-stored',
    file: HAND_OVER,
    find: '    await this.#release(journal, root)\n',
    replace: '',
    reason: 'Commits without a durable word that the disk was given away.',
  },
  {
    name: 'commit-before-release',
    file: HAND_OVER,
    find: '    await this.#release(journal, root)\n    // What goes wrong',
    replace: '    await this.commit().catch(() => {})\n    await this.#release(journal, root)\n    // What goes wrong',
    reason: 'The last word goes out before it is durable here: after a crash in between both own the disk.',
  },
  {
    name: 'unlock-after-failed-commit',
    file: HAND_OVER,
    find: 'await this.commit().catch(this.#unheard)',
    replace: 'await this.commit()',
    reason: 'A last word without an answer is taken for a failure, and the source runs on.',
  },
  {
    name: 'record-not-taken-back',
    file: HAND_OVER,
    find: '        await journal.become(before)\n',
    replace: '',
    killedBy: 'test/devices/failing-records.test.ts',
    reason: 'A record that failed may be there all the same; the source runs on without making sure.',
  },
  {
    name: 'acknowledged-without-an-answer',
    file: HAND_OVER,
    find: '      await this.requests.complete(root)\n      await this.acknowledged()',
    replace: '      await this.requests.complete(root).catch(() => {})\n      await this.acknowledged()',
    reason: 'The source leaves although nobody said that it may.',
  },
  {
    name: 'incomplete-forgotten',
    file: HAND_OVER,
    find: "const isIncomplete = this.#isIncomplete && (state !== 'owner' || hasClaims)",
    replace: 'const isIncomplete = false',
    reason: 'After a restart the rest of a disk that was handed over early never comes.',
  },
  {
    name: 'prepare-without-flush',
    file: SESSION,
    find: '          flush: () => cache.remote.flush(),\n',
    replace: '',
    reason: 'The destination promises what a power loss takes away.',
  },
  {
    name: 'prepare-not-stored',
    file: SESSION,
    find: '          ownership: prepare(journal.ownership!, { root, missing: restFollows }),\n',
    replace: '',
    reason: 'The promise is not written down.',
  },
  {
    name: 'unproven-claims-survive',
    file: SESSION,
    find: '        if (restFollows) await this.#forgetMissing()\n',
    replace: '',
    reason: 'What was claimed and never confirmed counts as here after the next start.',
  },
  {
    name: 'doubt-taken-for-failure',
    file: 'src/devices/hand-over.ts',
    find: `        this.doubt = new StorageError('IN_DOUBT', 'It could not be stored whether the disk was given away.', { cause })
        return
`,
    replace: '        throw cause\n',
    killedBy: 'test/devices/failing-records.test.ts',
    reason: 'Nobody knows whether the disk was given away, and the source runs on.',
  },
  {
    name: 'cancel-not-sent',
    file: 'src/devices/hand-over.ts',
    find: '      await this.#cancel()\n      throw error\n    }\n    await this.#release',
    replace: '      throw error\n    }\n    await this.#release',
    killedBy: 'test/devices/cancelled-hand-over.test.ts',
    reason: 'A destination stays prepared for a hand-over that will not come.',
  },
  {
    name: 'cancel-not-awaited',
    file: 'src/devices/hand-over.ts',
    find: '      await this.#cancel()\n      throw error\n    }\n    await this.#release',
    replace: '      void this.#cancel()\n      throw error\n    }\n    await this.#release',
    killedBy: 'test/devices/cancelled-hand-over.test.ts',
    reason: 'A late cancel takes back a newer promise.',
  },
  {
    name: 'prepare-while-blocks-are-stored',
    file: 'src/devices/arriving-session.ts',
    find: `        await this.#face.idle()
        const missing = cache.missingBlocks`,
    replace: '        const missing = cache.missingBlocks',
    killedBy: 'test/devices/arriving-session.test.ts',
    reason: 'QEMU, preempt channel: the end does not wait for what is on its way on another lane.',
  },
  {
    name: 'prepare-with-missing-blocks',
    file: 'src/devices/arriving-session.ts',
    find: 'if (missing > (restFollows ? packet.missingBlocks : 0)) {',
    replace: 'if (missing > packet.missingBlocks + 1) {',
    killedBy: 'test/devices/arriving-session.test.ts',
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
    killedBy: 'test/devices/arriving-session.test.ts',
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
    killedBy: 'test/devices/arriving-session.test.ts',
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
    killedBy: 'test/devices/arriving-session.test.ts',
    reason: 'The gate opens before the new owner is written down.',
  },
  {
    name: 'missing-not-admitted',
    file: 'src/devices/arriving-session.ts',
    find: "      if (next.missing) this.#face.admission = 'missing'\n",
    replace: '',
    scenario: 'killed owner',
    reason: 'Post-copy, and the rest is refused.',
  },
  {
    name: 'cancelled-is-not-reopened',
    file: 'src/devices/arriving-session.ts',
    find: `      if (next !== journal.ownership) await journal.become(next)
      this.#reopen()`,
    replace: '      if (next !== journal.ownership) await journal.become(next)',
    killedBy: 'test/devices/arriving-session.test.ts',
    reason: 'Forgets to re-arm after a cancel.',
  },
  {
    name: 'begin-does-not-void',
    file: 'src/devices/arriving-session.ts',
    find: `    this.#disk.voidAll()
    this.#face.admission = 'open'`,
    replace: "    this.#face.admission = 'open'",
    killedBy: 'test/devices/arriving-session.test.ts',
    reason: 'OpenZFS, resume: what came before the loss is kept without being compared.',
  },
  {
    name: 'complete-with-missing-blocks',
    file: 'src/devices/arriving-session.ts',
    find: `      if (cache.missingBlocks > 0) {
        throw new StorageError('VERIFY_FAILED', \`\${cache.missingBlocks} blocks are still missing here.\`)
      }
      if (journal`,
    replace: '      if (journal',
    killedBy: 'test/devices/arriving-session.test.ts',
    reason: 'The source is let go while blocks are missing.',
  },
  {
    name: 'settles-without-looking',
    file: 'src/devices/settle-rest.ts',
    find: '  if (root && digestText(root) === digestText(theirs)) return\n',
    replace: '  if (root || !root || digestText(theirs)) return\n',
    killedBy: 'test/devices/settle-rest.test.ts',
    reason: 'The rest after an early hand-over is not verified.',
  },
  {
    name: 'torn-early-write-is-known',
    file: 'src/devices/arriving-disk.ts',
    find: '      this.#ownedFace!.addTorn(written)\n',
    replace: '',
    killedBy: 'test/devices/failed-early-write.test.ts',
    reason: 'Ours, found here: a block that a failed write has torn before all had come is known by what came.',
  },
  {
    name: 'root-shown-before-the-rest',
    file: 'src/devices/sending-disk.ts',
    find: 'root = missingBlocks > 0 ? undefined : digests.root()',
    replace: 'root = digests.root()',
    killedBy: 'test/devices/nothing-left-to-send.test.ts',
    reason: 'Ours, found here: a source that knows every digest shows a root to a destination that lacks blocks.',
  },
  {
    name: 'rest-only-where-something-is-missing',
    file: SESSION,
    find: 'const restFollows = this.#mayBeIncomplete && packet.missingBlocks > 0',
    replace: 'const restFollows = this.#mayBeIncomplete && missing > 0',
    scenario: 'killed owner',
    reason: 'Ours, found here: a destination that lacks nothing refuses the blocks that were announced.',
  },
  {
    name: 'taken-over-with-missing-blocks',
    file: 'src/devices/arriving-disk.ts',
    find: "      if (missingBlocks > 0) throw new StorageError('VERIFY_FAILED'",
    replace: "      if (missingBlocks < 0) throw new StorageError('VERIFY_FAILED'",
    scenario: 'taken over',
    reason: 'A take-over by force does not look whether everything is here.',
  },
  {
    name: 'taken-over-without-flush',
    file: 'src/devices/arriving-disk.ts',
    find: '    await this.cache.remote.flush()\n    // First:',
    replace: '    // First:',
    scenario: 'taken over',
    reason: 'What is taken over is not durable.',
  },
  {
    name: 'forced-owner-does-not-stop',
    file: SESSION,
    find: 'else if (forced && !packet.isReleased) this.#disk.stop()',
    replace: 'else if (forced && packet.isReleased) this.#disk.stop()',
    scenario: 'taken over',
    reason: 'The new owner hears that the old one lives, and writes on.',
  },
  {
    name: 'conflict-does-not-lock',
    file: 'src/devices/sending-disk.ts',
    find: '        await this.#source.lock?.()\n        throw new',
    replace: '        throw new',
    scenario: 'taken over',
    reason: 'The old owner hears that another has taken the disk over, and writes on.',
  },
  {
    name: 'forced-not-recorded',
    file: 'src/migration/journal/ownership.ts',
    find: '    forced: true,\n',
    replace: '',
    scenario: 'taken over',
    reason: 'Nobody can tell later that the disk was taken by force.',
  },
]
