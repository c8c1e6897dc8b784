import type { Mutant } from './mutant.ts'

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

/** Bugs in going on after a loss, and in what a disk shows while it is on its way. */
export const devicesMutants: readonly Mutant[] = [
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
    find: '      if (!this.#isStopped) this.disk.unlock()\n',
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
    name: 'claim-not-compared-at-sending',
    file: SENDING_FACE,
    find: '      if (!isSame) continue\n',
    replace: '',
    reason: 'OpenZFS, wrong origin: resume keeps a block because something is there.',
  },
  {
    name: 'kept-blocks-are-skipped-wrongly',
    file: SENDING_FACE,
    find: 'from = (first + count) * this.#blockSize\n      this.blocksKept += count',
    replace: 'from = (first + count + 1) * this.#blockSize\n      this.blocksKept += count',
    reason: 'Off by one: the block behind a kept one is not sent.',
  },
  {
    name: 'page-claims-not-compared',
    file: COMPARE,
    find: "      if (kind === 'same') this.#keepKnown(run)\n",
    replace: "      if (kind !== 'nothing') this.#keepKnown(run)\n",
    reason: 'The same for whole pages.',
  },
  {
    name: 'kept-not-told',
    file: COMPARE,
    find: '    await this.#sendKept(0)\n',
    replace: '',
    reason: 'The source leaves blocks out, and the destination waits for them.',
  },
  {
    name: 'parts-are-noted-as-blocks',
    file: FACE,
    find: 'const end = to === this.size ? Math.ceil(to / this.#blockSize) : Math.floor(to / this.#blockSize)',
    replace: 'const end = Math.floor(to / this.#blockSize)',
    reason: 'Off by one on the tail: the short last block is never known.',
  },
  {
    name: 'flush-does-not-tell',
    file: OWNED,
    find: '    if (!this.#isIncomplete) return this.inner.flush()\n    // What another',
    replace: '    if (!this.#isIncomplete || this.#journal) return this.inner.flush()\n    // What another',
    reason: 'After a power loss an older copy is fetched over a flushed write.',
  },
  {
    name: 'flush-does-not-wait-for-telling',
    file: OWNED,
    find: 'return void (await Promise.all([this.inner.flush(), this.#telling]))',
    replace: 'return this.inner.flush()',
    scenario: 'killed owner',
    reason: 'Ours, found here: of two flushes the second ended before what it relied on was durable.',
  },
  {
    name: 'late-copy-forgets',
    file: FACE,
    find: "      if (this.#admission === 'missing') await this.#storeMissing(",
    replace:
      "      await this.#forget(offset, length)\n      if (this.#admission === 'missing') await this.#storeMissing(",
    scenario: 'killed owner',
    reason:
      'Ours, found here: a block that comes although the new owner has written it is forgotten, and fetched again after a kill.',
  },
  {
    name: 'owner-writes-without-intents',
    file: OWNED,
    find: '      await this.#intents.beforeWrite(offset, length)\n',
    replace: '',
    reason: 'The new owner’s journal knows blocks by digests of what was there before.',
  },
  {
    name: 'settles-only-what-is-unknown',
    file: SETTLE,
    find: 'return digest === undefined || digest.every((byte, index) => byte === WRITTEN_HERE[index])',
    replace: 'return digest === undefined',
    reason: 'What was written here and told so before a restart is compared as if it had arrived.',
  },
  {
    name: 'settle-notes-what-is-known',
    file: SETTLE,
    find: '    if (digests.isKnown(block)) digests.tree.set(block, theirs)\n    else digests.noteDigests(block, theirs)',
    replace: '    digests.noteDigests(block, theirs)',
    killedBy: 'test/devices/settle-rest.test.ts',
    reason:
      'Ours, found here: what a new owner wrote and flushed counts as not flushed once the source has told its digest, and an older copy is fetched over it after a power loss.',
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
    killedBy: 'test/devices/silo-last-word.test.ts',
  },
  {
    name: 'silo-owns-without-flush',
    file: SILO,
    find: '    await this.cache.remote.flush()\n    // Nobody is asked',
    replace: '    // Nobody is asked',
    reason: 'The disk is taken over before it is durable.',
  },
  {
    name: 'silo-last-word-not-awaited',
    file: SEND,
    find: "  await tell(dev, { kind: 'event', type: 'completed' })\n",
    replace: "  void tell(dev, { kind: 'event', type: 'completed' }).catch(() => {})\n",
    reason: 'The source says it has handed over before the destination took it.',
  },
  {
    name: 'old-face-still-stores',
    file: 'src/devices/arriving-disk.ts',
    find: '    await this.#face?.end()\n    if (this.#connection !== connection) {',
    replace: '    if (this.#connection !== connection) {',
    killedBy: 'test/devices/old-connection.test.ts',
    reason: 'What the connection before had in hand is stored over what the next one brings.',
  },
  {
    name: 'settle-forgets-only-this-life',
    file: 'src/devices/arriving-disk.ts',
    find: '      if (this.#wasIncomplete) written.setRange(0, written.length)\n',
    replace: '',
    scenario: 'killed owner',
    reason: 'The same for what was written before a restart.',
  },
  {
    name: 'second-attempt-sends-the-rest-only',
    file: 'src/devices/sending-disk.ts',
    find: '    digests.forget(0, digests.blockCount)\n    order.addAll()\n',
    replace: '    digests.forget(0, digests.blockCount)\n    if (order.available === 0) order.addAll()\n',
    killedBy: 'test/devices/another-destination.test.ts',
    reason: 'QEMU, inactivation: the second attempt takes up where the first one ended, at an empty destination.',
  },
  {
    name: 'locally-written-drops-before-release',
    file: 'src/devices/sending-disk.ts',
    find: 'if (this.isReleased) forEachBlock(offset, length, (block) => order.remove(block))',
    replace: 'if (!this.isReleased) forEachBlock(offset, length, (block) => order.remove(block))',
    killedBy: 'test/devices/cancelled-hand-over.test.ts',
    reason: 'Blocks that the destination says it does not need are dropped at the wrong time.',
  },
  {
    name: 'claims-kept-after-the-switch',
    file: 'src/devices/sending-disk.ts',
    find: '            claims?.forget(0, claims.blockCount)\n',
    replace: '',
    killedBy: 'test/devices/claims.test.ts',
    reason: 'A new owner is told to keep what it has dropped.',
  },
  {
    name: 'claim-looked-at-twice',
    file: 'src/devices/sending-face.ts',
    find: '      claims.forget(block, 1)\n',
    replace: '',
    killedBy: 'test/devices/claims.test.ts',
    reason: 'An old claim is believed after the block was sent again.',
  },
  {
    name: 'zeroed-claim-stays',
    file: 'src/devices/sending-face.ts',
    find: '    this.#parts.claims?.forget(start, blocks)\n',
    replace: '',
    killedBy: 'test/devices/claims.test.ts',
    reason: 'The same for a block that became zero.',
  },
  {
    name: 'keeps-without-comparing',
    file: 'src/devices/compare-claims.ts',
    find: '} else if (isSame(digests.digestAt(block)!, theirs.subarray(bit * CLAIM_BYTES, (bit + 1) * CLAIM_BYTES))) {',
    replace: '} else {',
    scenario: 'killed',
    reason: 'OpenZFS, wrong origin: whatever both sides know of is kept.',
  },
  {
    name: 'forgotten-after-stored',
    file: 'src/devices/arriving-face.ts',
    find: '      await this.#forget(offset, length)\n',
    replace: '      void this.#forget(offset, length).catch(() => {})\n',
    killedBy: 'test/devices/forgotten-in-time.test.ts',
    reason: 'A known block is replaced before the journal has forgotten it.',
  },
  {
    name: 'forgetting-not-awaited',
    file: 'src/devices/arriving-face.ts',
    find: '    if (this.#forgetting) await this.#forgetting\n',
    replace: '',
    killedBy: 'test/devices/forgotten-in-time.test.ts',
    reason: 'Blocks are stored before the journal has forgotten what a dirty list voided.',
  },
  {
    name: 'void-not-forgotten',
    file: 'src/devices/arriving-face.ts',
    find: 'Promise.all([before, this.#journal.forgetBlocks(field)]).then(() => {})',
    replace: 'Promise.all([before]).then(() => {})',
    killedBy: 'test/devices/forgotten-in-time.test.ts',
    reason: 'Known digests are not forgotten when their blocks are void.',
  },
  {
    name: 'present-blocks-stored-again',
    file: 'src/devices/arriving-face.ts',
    find: `      if (cache.isPresent(block)) {
        block++
        continue
      }
      const first = block
      while (block < end && !cache.isPresent(block)) block++`,
    replace: `      const first = block
      block = end`,
    killedBy: 'test/devices/arriving-face.test.ts',
    reason: 'After the hand-over the source replaces what is here.',
  },
  {
    name: 'face-idle-too-early',
    file: 'src/devices/arriving-face.ts',
    find: '      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve()\n',
    replace: '      for (const resolve of this.#idle.splice(0)) resolve()\n',
    killedBy: 'test/devices/arriving-session.test.ts',
    reason: 'The drain at the destination ends with the first of several writes.',
  },
  {
    name: 'silo-does-not-void',
    file: 'src/devices/silo-arrival.ts',
    find: 'invalidate: (blocks) => cache.remote.invalidate(blocks),',
    replace: 'invalidate: () => {},',
    scenario: 'silo',
    reason: 'Dirty lists are answered and not obeyed.',
  },
  {
    name: 'lists-overtaken-on-two-lanes',
    file: 'src/devices/ordered-destination.ts',
    find: '    if (this.#waits && this.#telling) await this.#telling\n    return this.inner.writeAt(data, offset, options)',
    replace: '    return this.inner.writeAt(data, offset, options)',
    killedBy: 'test/devices/ordered-destination.test.ts',
    reason: 'Over two lanes data overtakes the list that voids its older copy.',
  },
  {
    name: 'patch-not-checked',
    file: 'src/devices/arriving-face.ts',
    find: '    if (hashed.some((byte, index) => byte !== digests[index])) {',
    replace: '    if (hashed.length !== digests.length) {',
    killedBy: 'test/devices/patches.test.ts',
    reason: 'A patch is put on what it was not made for.',
  },
  {
    name: 'silo-sends-what-is-left',
    file: 'src/devices/send-disk.ts',
    find: '  order.addAll()\n',
    replace: '  if (order.available === 0) order.addAll()\n',
    scenario: 'silo',
    reason: 'Ours, found here: after a failed attempt the next one sends to an empty disk what the order still holds.',
  },
]
