import type { Mutant } from './mutant.ts'

/** Holes in the hand-over, in going on after a loss and on the wire. */
export const owningHoles: readonly Mutant[] = [
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
    find: 'if (missing > (this.#mayBeIncomplete ? packet.missingBlocks : 0)) {',
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
    scenario: 'killed',
    reason: 'Forgets to re-arm after a cancel.',
  },
  {
    name: 'begin-does-not-void',
    file: 'src/devices/arriving-session.ts',
    find: `    this.#disk.voidAll()
    this.#face.admission = 'open'`,
    replace: "    this.#face.admission = 'open'",
    scenario: 'killed',
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
    scenario: 'killed owner',
    reason: 'The source is let go while blocks are missing.',
  },
  {
    name: 'old-face-still-stores',
    file: 'src/devices/arriving-disk.ts',
    find: '    await this.#face?.end()\n    if (this.#connection !== connection) {',
    replace: '    if (this.#connection !== connection) {',
    scenario: 'killed',
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
    name: 'waiting-blocks-count-as-sent',
    file: 'src/devices/sending-disk.ts',
    find: '      digests.forget(run.start, run.count)\n',
    replace: '',
    scenario: 'killed',
    reason: 'A block that waits to be sent again is kept by what was sent before.',
  },
  {
    name: 'known-not-forgotten-anew',
    file: 'src/devices/sending-disk.ts',
    find: '    digests.forget(0, digests.blockCount)\n    if (this.#hasBegun',
    replace: '    if (this.#hasBegun',
    scenario: 'killed',
    reason: 'What was sent elsewhere counts as sent here.',
  },
  {
    name: 'second-attempt-sends-the-rest-only',
    file: 'src/devices/sending-disk.ts',
    find: 'if (this.#hasBegun || order.available === 0) order.addAll()',
    replace: 'if (order.available === 0) order.addAll()',
    scenario: 'killed',
    reason: 'QEMU, inactivation: the second attempt takes up where the first one ended, at an empty destination.',
  },
  {
    name: 'locally-written-drops-before-release',
    file: 'src/devices/sending-disk.ts',
    find: 'if (this.isReleased) forEachBlock(offset, length, (block) => order.remove(block))',
    replace: 'if (!this.isReleased) forEachBlock(offset, length, (block) => order.remove(block))',
    scenario: 'killed owner',
    reason: 'Blocks that the destination says it does not need are dropped at the wrong time.',
  },
  {
    name: 'claims-kept-after-the-switch',
    file: 'src/devices/sending-disk.ts',
    find: '            claims?.forget(0, claims.blockCount)\n',
    replace: '',
    scenario: 'killed owner',
    reason: 'A new owner is told to keep what it has dropped.',
  },
  {
    name: 'noted-before-stored',
    file: 'src/devices/sending-face.ts',
    find: '    const kept = this.#kept(start, hashed)\n',
    replace: '    digests.noteDigests(start, hashed)\n    const kept = this.#kept(start, hashed)\n',
    scenario: 'killed',
    reason: 'What was sent counts as stored.',
  },
  {
    name: 'claim-looked-at-twice',
    file: 'src/devices/sending-face.ts',
    find: '      claims.forget(block, 1)\n',
    replace: '',
    scenario: 'killed',
    reason: 'An old claim is believed after the block was sent again.',
  },
  {
    name: 'zeroed-claim-stays',
    file: 'src/devices/sending-face.ts',
    find: '    this.#parts.claims?.forget(start, blocks)\n',
    replace: '',
    scenario: 'killed',
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
    scenario: 'killed',
    reason: 'A known block is replaced before the journal has forgotten it.',
  },
  {
    name: 'forgetting-not-awaited',
    file: 'src/devices/arriving-face.ts',
    find: '    if (this.#forgetting) await this.#forgetting\n',
    replace: '',
    reason: 'Blocks are stored before the journal has forgotten what a dirty list voided.',
  },
  {
    name: 'void-not-forgotten',
    file: 'src/devices/arriving-face.ts',
    find: 'Promise.all([before, this.#journal.forgetBlocks(field)]).then(() => {})',
    replace: 'Promise.all([before]).then(() => {})',
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
    reason: 'After the hand-over the source replaces what is here.',
  },
  {
    name: 'face-idle-too-early',
    file: 'src/devices/arriving-face.ts',
    find: '      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve()\n',
    replace: '      for (const resolve of this.#idle.splice(0)) resolve()\n',
    reason: 'The drain at the destination ends with the first of several writes.',
  },
  {
    name: 'settles-without-looking',
    file: 'src/devices/settle-rest.ts',
    find: '  if (root && digestText(root) === digestText(theirs)) return\n',
    replace: '  if (root || !root || digestText(theirs)) return\n',
    reason: 'The rest after an early hand-over is not verified.',
  },
  {
    name: 'silo-does-not-void',
    file: 'src/devices/silo-arrival.ts',
    find: 'invalidate: (blocks) => cache.remote.invalidate(blocks),',
    replace: 'invalidate: () => {},',
    reason: 'Dirty lists are answered and not obeyed.',
  },
]
