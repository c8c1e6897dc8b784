import type { Mutant } from './mutant.ts'

const FROM = 'src/protocol/from-protocol.ts'
const TO = 'src/protocol/to-protocol.ts'
const ACKS = 'src/protocol/write-acks.ts'
const WINDOW = 'src/protocol/send-window.ts'
const PENDING = 'src/protocol/pending-requests.ts'
const QUEUE = 'src/protocol/send-queue.ts'
const DECODER = 'src/protocol/frame-decoder.ts'

/** Bugs in what crosses. */
export const protocolMutants: readonly Mutant[] = [
  {
    name: 'last-ack-dropped',
    file: ACKS,
    find: '    this.#isWatching = false\n    this.#flush()',
    replace: '    this.#isWatching = false\n    this.#ranges.pop()\n    this.#flush()',
    reason: 'Drops the last ack of a batch.',
  },
  {
    name: 'acks-not-re-armed',
    file: ACKS,
    find: '    this.#isWatching = false\n',
    replace: '',
    reason: 'Forgets to re-arm: the first acks go, the next ones wait for ever.',
  },
  {
    name: 'acks-one-off',
    file: ACKS,
    find: 'if (last && last.firstId + last.count === id)',
    replace: 'if (last && last.firstId + last.count <= id)',
    reason: 'Off by one: a range acknowledges what is not stored yet.',
  },
  {
    name: 'ack-before-store',
    file: FROM,
    find: '      await this.#store(provider, { offset: packet.offset, data }, generation)\n',
    replace: '      void this.#store(provider, { offset: packet.offset, data }, generation).catch(() => {})\n',
    reason: 'Received is taken for stored.',
  },
  {
    name: 'generation-not-raised-there',
    file: FROM,
    find: "    if (this.#rw.dialect !== 'silo') this.#generations.raise(blocks)\n",
    replace: '',
    reason: 'A dirty list does not end what was sent before.',
  },
  {
    name: 'generation-reused-on-the-wire',
    file: TO,
    find: '      this.#generation++\n',
    replace: '',
    reason: 'Reuses a generation: writes after a dirty list look like those before.',
  },
  {
    name: 'credit-not-given-back',
    file: WINDOW,
    find: '    this.#used -= credit.bytes\n',
    replace: '',
    reason: 'The window fills and never empties.',
  },
  {
    name: 'window-not-re-armed',
    file: WINDOW,
    find: '      next.go(this.#take(next.bytes))\n',
    replace: '      this.#take(next.bytes)\n',
    reason: 'Forgets to re-arm: who waited for credit is not woken.',
  },
  {
    name: 'answers-not-ended',
    file: PENDING,
    find: '    for (const { reject } of waiting) reject(reason)\n',
    replace: '',
    reason: 'Silo, to_protocol: an answer is awaited that cannot come any more.',
  },
  {
    name: 'ranges-lose-the-last',
    file: PENDING,
    find: '      for (let id = firstId; id < firstId + count; id++) this.settle(dev, id, packet)\n',
    replace: '      for (let id = firstId; id < firstId + Math.max(1, count - 1); id++) this.settle(dev, id, packet)\n',
    reason: 'Off by one: drops the last ack of a range.',
  },
  {
    name: 'queue-not-re-armed',
    file: QUEUE,
    find: '    this.#isSending = false\n',
    replace: '',
    reason: 'Forgets to re-arm: the second send never begins.',
  },
  {
    name: 'cut-header-lost',
    file: DECODER,
    find: 'this.#header.set(slice.subarray(at, end), this.#headerBytes)',
    replace: 'this.#header.set(slice.subarray(at, end), 0)',
    reason: 'A header that comes in three pieces is put together wrongly.',
  },
  {
    name: 'old-generation-accepted',
    file: 'src/protocol/block-generations.ts',
    find: 'if (!page || page[block % PAGE_BLOCKS]! <= least) continue',
    replace: 'continue',
    killedBy: 'test/protocol/generations.test.ts',
    reason: 'Accepts an old generation: an older copy replaces a newer one.',
  },
  {
    name: 'generation-one-off',
    file: 'src/protocol/block-generations.ts',
    find: 'page[block % PAGE_BLOCKS]! <= least) continue',
    replace: 'page[block % PAGE_BLOCKS]! <= least + 1) continue',
    killedBy: 'test/protocol/generations.test.ts',
    reason: 'Off by one: a copy that is one dirty list too old is taken.',
  },
  {
    name: 'arrivals-not-in-order',
    file: 'src/protocol/arriving-writes.ts',
    find: '      for (const other of before) await other.ended\n',
    replace: '',
    killedBy: 'test/protocol/generations.test.ts',
    reason: 'Two copies of a block are stored at once.',
  },
  {
    name: 'arrival-slots-not-given-back',
    file: 'src/protocol/arriving-writes.ts',
    find: '      if (next) next()\n      else this.#running--',
    replace: '      if (next) next()',
    reason: 'Silo, handlePacket: one device that does not drain stalls everything.',
  },
  {
    name: 'generation-asked-at-arrival',
    file: 'src/protocol/arriving-writes.ts',
    find: `      for (const other of before) await other.ended
      // Asked now, not when it came: a newer copy may have arrived meanwhile.
      for (const [from, to] of this.#generations.writable(generation, start, end)) await store(from, to)`,
    replace: `      const parts = this.#generations.writable(generation, start, end)
      for (const other of before) await other.ended
      for (const [from, to] of parts) await store(from, to)`,
    killedBy: 'test/protocol/arriving-writes.test.ts',
    reason: 'What was right when it was asked is not right after the wait.',
  },
  {
    name: 'waits-for-credit-for-ever',
    file: 'src/protocol/send-window.ts',
    find: '    for (const { stop } of this.#waiting.splice(0)) stop(reason)\n',
    replace: '',
    killedBy: 'test/protocol/arriving-writes.test.ts',
    reason: 'A lost connection leaves those who wait for credit.',
  },
  {
    name: 'load-not-taken-off',
    file: 'src/protocol/protocol-rw.ts',
    find: '    const done = () => {\n      this.#load.remove(cost)\n',
    replace: '    const done = () => {\n',
    reason: 'Silo, handlePacket: what was handled still counts, and the connection stops being read.',
  },
  {
    name: 'short-answer-accepted',
    file: 'src/protocol/from-protocol.ts',
    find: '  checkCount(await provider.writeAt(data, offset), offset, data.length)\n',
    replace: '  await provider.writeAt(data, offset)\n',
    killedBy: 'test/protocol/arriving-writes.test.ts',
    reason: 'Silo, migrateBlock: a short write is acknowledged.',
  },
]
