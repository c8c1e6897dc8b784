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
    find: 'if (this.doubt === undefined) await this.commit().catch(() => {})',
    replace: 'if (this.doubt === undefined) await this.commit()',
    reason: 'A last word without an answer is taken for a failure, and the source runs on.',
  },
  {
    name: 'record-not-taken-back',
    file: HAND_OVER,
    find: '        await journal.become(before)\n',
    replace: '',
    reason: 'A record that failed may be there all the same; the source runs on without making sure.',
  },
  {
    name: 'acknowledged-without-an-answer',
    file: HAND_OVER,
    find: '    await this.requests.complete(root)\n    await this.acknowledged()',
    replace: '    await this.requests.complete(root).catch(() => {})\n    await this.acknowledged()',
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
]
