import type { Mutant } from './mutant.ts'

const HAND_OVER = 'src/devices/hand-over.ts'
const SESSION = 'src/devices/arriving-session.ts'
const FACE = 'src/devices/arriving-face.ts'
const ARRIVING = 'src/devices/arriving-disk.ts'
const SENDING = 'src/devices/sending-disk.ts'
const SENDING_FACE = 'src/devices/sending-face.ts'
const COMPARE = 'src/devices/compare-claims.ts'
const OWNED = 'src/devices/owned-face.ts'
const SETTLE = 'src/devices/settle-rest.ts'
const OUTCOME = 'src/devices/outcome.ts'
const SILO = 'src/devices/silo-arrival.ts'
const SEND = 'src/devices/send-disk.ts'

/** Bugs in the hand-over, in going on after a loss, and in what a disk shows while it is on its way. */
export const devicesMutants: readonly Mutant[] = [
  {
    name: 'roots-not-compared-here',
    file: HAND_OVER,
    find: '      compareRoots(root, theirs)\n',
    replace: '',
    reason: 'The source hands over to whoever says yes.',
  },
  {
    name: 'roots-not-compared-there',
    file: SESSION,
    find: '        if (missing === 0) checkRoots(ours, theirs)\n',
    replace: '',
    reason: 'The destination prepares without looking; the source does look.',
  },
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
    name: 'doubt-taken-for-failure',
    file: HAND_OVER,
    find: `        this.doubt = new StorageError('IN_DOUBT', 'It could not be stored whether the disk was given away.', { cause })
        return
`,
    replace: '        throw cause\n',
    reason: 'Nobody knows whether the disk was given away, and the source runs on.',
  },
  {
    name: 'record-not-taken-back',
    file: HAND_OVER,
    find: '        await journal.become(before)\n',
    replace: '',
    reason: 'A record that failed may be there all the same; the source runs on without making sure.',
  },
  {
    name: 'cancel-not-sent',
    file: HAND_OVER,
    find: 'if (isPrepared) await this.requests.cancel(this.#nextEpoch).catch(() => {})',
    replace: 'if (isPrepared) await Promise.resolve()',
    reason: 'A destination stays prepared for a hand-over that will not come.',
  },
  {
    name: 'cancel-not-awaited',
    file: HAND_OVER,
    find: 'if (isPrepared) await this.requests.cancel(this.#nextEpoch).catch(() => {})',
    replace: 'if (isPrepared) void this.requests.cancel(this.#nextEpoch).catch(() => {})',
    reason: 'A late cancel takes back a newer promise.',
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
    name: 'prepare-while-blocks-are-stored',
    file: SESSION,
    find: `        await this.#face.idle()
        const missing = cache.missingBlocks`,
    replace: '        const missing = cache.missingBlocks',
    reason: 'QEMU, preempt channel: the end does not wait for what is on its way on another lane.',
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
    find: '          ownership: prepare(journal.ownership!, { root, missing: missing > 0 }),\n',
    replace: '',
    reason: 'The promise is not written down.',
  },
  {
    name: 'prepare-with-missing-blocks',
    file: SESSION,
    find: 'if (missing > (this.#mayBeIncomplete ? packet.missingBlocks : 0)) {',
    replace: 'if (missing > packet.missingBlocks + 1) {',
    reason: 'Off by one: a disk is whole with one block missing.',
  },
  {
    name: 'prepare-leaves-the-face-open',
    file: SESSION,
    find: `      this.#face.admission = 'closed'
      try {
        await this.#face.idle()`,
    replace: `      try {
        await this.#face.idle()`,
    reason: 'Blocks are taken while the hand-over is prepared and after it.',
  },
  {
    name: 'failed-prepare-stays-closed',
    file: SESSION,
    find: `      } catch (error) {
        this.#face.admission = 'open'
        throw error`,
    replace: `      } catch (error) {
        throw error`,
    reason: 'QEMU, recovery: the step that fails has no way back.',
  },
  {
    name: 'unproven-claims-survive',
    file: SESSION,
    find: '        if (missing > 0) await this.#forgetMissing()\n',
    replace: '',
    reason: 'What was claimed and never confirmed counts as here after the next start.',
  },
  {
    name: 'own-before-stored',
    file: SESSION,
    find: `      if (next !== journal.ownership) await journal.become(next)
      if (next.missing) this.#face.admission = 'missing'
      this.#disk.own()`,
    replace: `      if (next.missing) this.#face.admission = 'missing'
      this.#disk.own()
      if (next !== journal.ownership) await journal.become(next)`,
    reason: 'The gate opens before the new owner is written down.',
  },
  {
    name: 'missing-not-admitted',
    file: SESSION,
    find: "      if (next.missing) this.#face.admission = 'missing'\n",
    replace: '',
    reason: 'Post-copy, and the rest is refused.',
  },
  {
    name: 'cancelled-is-not-reopened',
    file: SESSION,
    find: `      if (next !== journal.ownership) await journal.become(next)
      this.#reopen()`,
    replace: '      if (next !== journal.ownership) await journal.become(next)',
    reason: 'Forgets to re-arm after a cancel.',
  },
  {
    name: 'begin-does-not-void',
    file: SESSION,
    find: `    this.#disk.voidAll()
    this.#face.admission = 'open'`,
    replace: "    this.#face.admission = 'open'",
    reason: 'OpenZFS, resume: what came before the loss is kept without being compared.',
  },
  {
    name: 'complete-with-missing-blocks',
    file: SESSION,
    find: `      if (cache.missingBlocks > 0) {
        throw new StorageError('VERIFY_FAILED', \`\${cache.missingBlocks} blocks are still missing here.\`)
      }
      if (journal`,
    replace: '      if (journal',
    reason: 'The source is let go while blocks are missing.',
  },
  {
    name: 'one-failure-blocks-the-line',
    file: ARRIVING,
    find: '    this.#turn = done.catch(() => {}) // Whoever asked hears of it.\n',
    replace: '    this.#turn = done\n    done.catch(() => {})\n',
    reason: 'Silo, integrity check: after one failure everybody behind it fails for ever.',
  },
  {
    name: 'failed-place-kept',
    file: ARRIVING,
    find: `      // Another attempt may find the storage well again.
      this.#placing = undefined
`,
    replace: '',
    reason: 'QEMU, recovery: the recovery itself may fail, and must be possible again.',
  },
  {
    name: 'old-face-still-stores',
    file: ARRIVING,
    find: '    await this.#face?.end()\n    if (this.#connection !== connection) {',
    replace: '    if (this.#connection !== connection) {',
    reason: 'What the connection before had in hand is stored over what the next one brings.',
  },
  {
    name: 'prepared-counts-as-missing',
    file: ARRIVING,
    find: "if (ownership && (ownership.state === 'owner' || ownership.state === 'prepared'))",
    replace: "if (ownership && ownership.state === 'owner')",
    reason: 'After a kill between promise and last word everything is here, and nothing can be read.',
  },
  {
    name: 'missing-counts-as-present',
    file: ARRIVING,
    find: 'markPresent(cache, ownership.missing ? this.#journal.digests.known : undefined)',
    replace: 'markPresent(cache, undefined)',
    reason: 'After a kill in post-copy what has not come is read as it lies there.',
  },
  {
    name: 'gate-open-from-the-start',
    file: ARRIVING,
    find: '    await gate.lock()\n',
    replace: '',
    reason: 'Skips the fence: the destination may write before it owns the disk.',
  },
  {
    name: 'gate-never-opens',
    file: ARRIVING,
    find: '    this.disk.unlock()\n',
    replace: '',
    reason: 'Nobody can write after the hand-over.',
  },
  {
    name: 'waiting-calls-not-told-of-loss',
    file: ARRIVING,
    find: '      this.#cache?.fail(error)\n',
    replace: '',
    reason: 'Silo, waiting cache: a lost peer hangs reads for ever.',
  },
  {
    name: 'settle-keeps-local-digests',
    file: ARRIVING,
    find: '      await journal.forgetBlocks(written)\n',
    replace: '',
    reason: 'After post-copy a block written here is known by what the source had.',
  },
  {
    name: 'settle-forgets-only-this-life',
    file: ARRIVING,
    find: '      if (this.#wasIncomplete) written.setRange(0, written.length)\n',
    replace: '',
    reason: 'The same for what was written before a restart.',
  },
  {
    name: 'given-away-and-not-locked',
    file: SENDING,
    find: "    if (state !== 'owner') await source.lock?.()\n",
    replace: '',
    reason: 'Skips the fence after a restart: a disk that was given away is written.',
  },
  {
    name: 'compare-before-track',
    file: SENDING,
    find: '    this.#source.trackAt(0, size)\n',
    replace: '',
    reason: 'QEMU, mirror: what is written while claims are compared is missed.',
  },
  {
    name: 'waiting-blocks-count-as-sent',
    file: SENDING,
    find: 'for (let block = 0; block < order.numBlocks; block++) if (order.has(block)) digests.forget(block, 1)',
    replace: '{}',
    reason: 'A block that waits to be sent again is kept by what was sent before.',
  },
  {
    name: 'known-not-forgotten-anew',
    file: SENDING,
    find: '    digests.forget(0, digests.blockCount)\n    if (this.#hasBegun',
    replace: '    if (this.#hasBegun',
    reason: 'What was sent elsewhere counts as sent here.',
  },
  {
    name: 'second-attempt-sends-the-rest-only',
    file: SENDING,
    find: 'if (this.#hasBegun || order.available === 0) order.addAll()',
    replace: 'if (order.available === 0) order.addAll()',
    reason: 'QEMU, inactivation: the second attempt takes up where the first one ended, at an empty destination.',
  },
  {
    name: 'dirty-digests-not-forgotten',
    file: SENDING,
    find: '          dirty.forEachRun((first, count) => digests.forget(first, count))\n',
    replace: '',
    reason: 'A block that was written is kept in the next attempt by the digest of what was sent.',
  },
  {
    name: 'dirty-list-not-sent',
    file: SENDING,
    find: '          return to.dirtyList(dirty)\n',
    replace: '          return Promise.resolve()\n',
    reason: 'The destination reads its old copy, and takes older data over newer.',
  },
  {
    name: 'prepared-not-withdrawn',
    file: SENDING,
    find: '    if (start.isPrepared) await handOver.withdraw()\n',
    replace: '',
    reason: 'A destination that had prepared before the loss takes no more blocks.',
  },
  {
    name: 'locally-written-drops-before-release',
    file: SENDING,
    find: 'if (this.isReleased) forEachBlock(offset, length, (block) => order.remove(block))',
    replace: 'if (!this.isReleased) forEachBlock(offset, length, (block) => order.remove(block))',
    reason: 'Blocks that the destination says it does not need are dropped at the wrong time.',
  },
  {
    name: 'claims-kept-after-the-switch',
    file: SENDING,
    find: '            claims?.forget(0, claims.blockCount)\n',
    replace: '',
    reason: 'A new owner is told to keep what it has dropped.',
  },
  {
    name: 'noted-before-stored',
    file: SENDING_FACE,
    find: `    if (kept.length === 0) await this.#send(data, offset, options)
    else await this.#sendTheRest(data, offset, { kept, options })
    digests.note(start, data)`,
    replace: `    digests.note(start, data)
    if (kept.length === 0) await this.#send(data, offset, options)
    else await this.#sendTheRest(data, offset, { kept, options })`,
    reason: 'What was sent counts as stored.',
  },
  {
    name: 'claim-not-compared-at-sending',
    file: SENDING_FACE,
    find: '      if (!isSame) continue\n',
    replace: '',
    reason: 'OpenZFS, wrong origin: resume keeps a block because something is there.',
  },
  {
    name: 'claim-looked-at-twice',
    file: SENDING_FACE,
    find: '      claims.forget(block, 1)\n',
    replace: '',
    reason: 'An old claim is believed after the block was sent again.',
  },
  {
    name: 'zeroed-claim-stays',
    file: SENDING_FACE,
    find: '    this.#parts.claims?.forget(start, blocks)\n',
    replace: '',
    reason: 'The same for a block that became zero.',
  },
  {
    name: 'kept-blocks-are-skipped-wrongly',
    file: SENDING_FACE,
    find: 'from = (first + count) * this.#blockSize\n      this.blocksKept += count',
    replace: 'from = (first + count + 1) * this.#blockSize\n      this.blocksKept += count',
    reason: 'Off by one: the block behind a kept one is not sent.',
  },
  {
    name: 'keeps-without-comparing',
    file: COMPARE,
    find: '} else if (isSame(digests.digestAt(block)!, theirs.subarray(bit * CLAIM_BYTES, (bit + 1) * CLAIM_BYTES))) {',
    replace: '} else {',
    reason: 'OpenZFS, wrong origin: whatever both sides know of is kept.',
  },
  {
    name: 'page-claims-not-compared',
    file: COMPARE,
    find: 'if (isSame(theirs, digests.pageClaim(first + index))) this.#keepKnown(first + index)',
    replace: 'if (!isSame(theirs, NOTHING)) this.#keepKnown(first + index)',
    reason: 'The same for whole pages.',
  },
  {
    name: 'kept-not-told',
    file: COMPARE,
    find: '      await this.#sendKept(0)\n',
    replace: '',
    reason: 'The source leaves blocks out, and the destination waits for them.',
  },
  {
    name: 'digests-one-off',
    file: COMPARE,
    find: '    this.#claims.restore(page, { known: open, digests: theirs })\n',
    replace: '    this.#claims.restore(page, { known: open, digests: theirs.slice().reverse() })\n',
    reason: 'Nothing that the destination claims is ever found to be right: nothing is kept.',
  },
  {
    name: 'forgotten-after-stored',
    file: FACE,
    find: '      await this.#forget(offset, length)\n',
    replace: '      void this.#forget(offset, length).catch(() => {})\n',
    reason: 'A known block is replaced before the journal has forgotten it.',
  },
  {
    name: 'forgetting-not-awaited',
    file: FACE,
    find: '    if (this.#forgetting) await this.#forgetting\n',
    replace: '',
    reason: 'Blocks are stored before the journal has forgotten what a dirty list voided.',
  },
  {
    name: 'void-not-forgotten',
    file: FACE,
    find: 'Promise.all([before, this.#journal.forgetBlocks(field)]).then(() => {})',
    replace: 'Promise.all([before]).then(() => {})',
    reason: 'Known digests are not forgotten when their blocks are void.',
  },
  {
    name: 'parts-are-noted-as-blocks',
    file: FACE,
    find: 'const end = to === this.size ? Math.ceil(to / this.#blockSize) : Math.floor(to / this.#blockSize)',
    replace: 'const end = Math.floor(to / this.#blockSize)',
    reason: 'Off by one on the tail: the short last block is never known.',
  },
  {
    name: 'present-blocks-stored-again',
    file: FACE,
    find: `      if (cache.isPresent(block)) {
        block++
        continue
      }
      const first = block
      while (block < end && !cache.isPresent(block)) block++`,
    replace: `      const first = block
      block = end`,
    reason: 'After the hand-over the source replaces what is here.',
  },
  {
    name: 'face-idle-too-early',
    file: FACE,
    find: '      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve()\n',
    replace: '      for (const resolve of this.#idle.splice(0)) resolve()\n',
    reason: 'The drain at the destination ends with the first of several writes.',
  },
  {
    name: 'flush-does-not-tell',
    file: OWNED,
    find: '    if (!this.#isUntold || !this.#isIncomplete) return this.inner.flush()\n',
    replace: '    if (this.#isIncomplete || !this.#isIncomplete) return this.inner.flush()\n',
    reason: 'After a power loss an older copy is fetched over a flushed write.',
  },
  {
    name: 'owner-writes-without-intents',
    file: OWNED,
    find: '      await this.#intents.beforeWrite(offset, length)\n',
    replace: '',
    reason: 'The new owner’s journal knows blocks by digests of what was there before.',
  },
  {
    name: 'settles-without-looking',
    file: SETTLE,
    find: '  if (root && digestText(root) === digestText(theirs)) return\n',
    replace: '  if (root || !root || digestText(theirs)) return\n',
    reason: 'The rest after an early hand-over is not verified.',
  },
  {
    name: 'settles-only-what-is-unknown',
    file: SETTLE,
    find: 'return digest === undefined || digest.every((byte, index) => byte === WRITTEN_HERE[index])',
    replace: 'return digest === undefined',
    reason: 'What was written here and told so before a restart is compared as if it had arrived.',
  },
  {
    name: 'outcome-not-renewed',
    file: OUTCOME,
    find: "    if (this.#state !== 'rejected') return\n    this.#state = 'pending'",
    replace: "    if (this.#promise) return\n    this.#state = 'pending'",
    reason: 'QEMU, recovery: one failure is the answer for ever.',
  },
  {
    name: 'silo-owns-with-missing-blocks',
    file: SILO,
    find: 'if (missing > 0) throw new StorageError(',
    replace: 'if (missing < 0) throw new StorageError(',
    reason: 'The last word is believed although blocks are missing.',
  },
  {
    name: 'silo-owns-without-flush',
    file: SILO,
    find: '    await this.cache.remote.flush()\n    this.#isOwner = true',
    replace: '    this.#isOwner = true',
    reason: 'The disk is taken over before it is durable.',
  },
  {
    name: 'silo-does-not-void',
    file: SILO,
    find: 'invalidate: (blocks) => cache.remote.invalidate(blocks),',
    replace: 'invalidate: () => {},',
    reason: 'Dirty lists are answered and not obeyed.',
  },
  {
    name: 'silo-last-word-not-awaited',
    file: SEND,
    find: "        await to.event({ kind: 'event', type: 'completed' })\n",
    replace: "        void to.event({ kind: 'event', type: 'completed' }).catch(() => {})\n",
    reason: 'The source says it has handed over before the destination took it.',
  },
]
