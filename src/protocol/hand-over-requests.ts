import { abortable } from '../async/abort-watch.ts'
import { StorageError } from '../errors/storage-error.ts'
import { lastWord } from './last-word.ts'
import type { Begin, BeginResponse } from './packets/begin.ts'
import type { BlockRange } from './packets/keep.ts'
import type { Packet, RequestPacket } from './packets/packet.ts'
import type { Prepare } from './packets/prepare.ts'
import { type DigestLevel, pageBytes } from './packets/read-digests.ts'
import { peerError } from './peer-error.ts'
import type { ProtocolRW } from './protocol-rw.ts'

/**
 * Whose disk it is, and what is known of its blocks: asked by the source of a disk, in dialect `blockferry/1`. A signal ends every wait for an answer
 * with `ABORTED`; what settles who owns the disk is said all the same, see {@link lastWord}.
 */
export class HandOverRequests {
  readonly #rw: ProtocolRW
  readonly #dev: number
  readonly #signal: AbortSignal | undefined

  constructor(rw: ProtocolRW, dev: number, signal?: AbortSignal) {
    this.#rw = rw
    this.#dev = dev
    this.#signal = signal
  }

  /** Begins a migration or goes on with one. @throws StorageError `UNAUTHORIZED`, or what the destination refuses with */
  async begin(packet: Omit<Begin, 'kind'>): Promise<Omit<BeginResponse, 'kind'>> {
    return this.#ask({ kind: 'begin', ...packet }, 'begin-response')
  }

  /** What the other side says it knows of `count` pages from `first` on; compared, never trusted. A copy. */
  async readDigests(level: DigestLevel, first: number, count: number): Promise<Uint8Array> {
    return askDigests(this.#rw, this.#dev, { level, first, count }, this.#signal)
  }

  /** Of what the destination claims, these blocks are right. */
  async keep(ranges: readonly BlockRange[]): Promise<void> {
    await this.#ask({ kind: 'keep', ranges }, 'keep-response')
  }

  /** Resolves with the root at the destination once that is ready to own the disk. */
  async prepare(packet: Omit<Prepare, 'kind'>, signal = this.#signal): Promise<Uint8Array | undefined> {
    const how = { kind: 'prepare-response', signal } as const
    return (await ask(this.#rw, this.#dev, { kind: 'prepare', ...packet }, how)).root?.slice()
  }

  /** Resolves when the destination owns the disk, durably. May be said again. */
  async commit(epoch: number): Promise<void> {
    await this.#say({ kind: 'commit', epoch }, 'commit-response')
  }

  /** Resolves when the destination goes on receiving. */
  async cancel(epoch: number, signal = this.#signal): Promise<void> {
    await abortable(ask(this.#rw, this.#dev, { kind: 'cancel', epoch }, { kind: 'cancel-response' }), signal)
  }

  /** Resolves when the destination lacks nothing and has flushed. */
  async complete(root: Uint8Array | undefined): Promise<void> {
    await this.#say({ kind: 'complete', root }, 'complete-response')
  }

  #ask<Kind extends Packet['kind']>(packet: Packet, kind: Kind): Promise<Extract<Packet, { kind: Kind }>> {
    return ask(this.#rw, this.#dev, packet, { kind, signal: this.#signal })
  }

  #say<Kind extends Packet['kind']>(packet: Packet, kind: Kind): Promise<Extract<Packet, { kind: Kind }>> {
    const { clock } = this.#rw
    return lastWord(() => ask(this.#rw, this.#dev, packet, { kind }), { signal: this.#signal, clock })
  }
}

/** What the other side says it knows of some pages; either side may ask. A copy. @throws StorageError `MALFORMED` for another number of pages */
export async function askDigests(
  rw: ProtocolRW,
  dev: number,
  { level, first, count }: { level: DigestLevel; first: number; count: number },
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const packet = { kind: 'read-digests', level, first, count } as const
  const answer = await ask(rw, dev, packet, { kind: 'read-digests-response', signal })
  if (answer.level !== level || answer.pages.length !== count * pageBytes(level)) {
    throw new StorageError('MALFORMED', 'The peer answered with digests that were not asked for.')
  }
  return answer.pages.slice()
}

/** What a destination does when it is asked. What a member throws is the answer. Views in what it gets are borrowed until it has answered. */
export interface HandOverParty {
  begin(packet: Begin): Promise<Omit<BeginResponse, 'kind'>>
  readDigests(level: DigestLevel, first: number, count: number): Promise<Uint8Array> | Uint8Array
  keep(ranges: readonly BlockRange[]): Promise<void> | void
  prepare(packet: Prepare): Promise<Uint8Array | undefined>
  commit(epoch: number): Promise<void>
  cancel(epoch: number): Promise<void>
  complete(root: Uint8Array | undefined): Promise<void>
}

/** The requests that a {@link HandOverParty} answers. */
export type HandOverRequest = Extract<
  RequestPacket,
  { kind: 'begin' | 'read-digests' | 'keep' | 'prepare' | 'commit' | 'cancel' | 'complete' }
>

/** Has a request answered by `party`; without one it is refused. */
export async function answerHandOver(party: HandOverParty | undefined, packet: HandOverRequest): Promise<Packet> {
  if (!party) throw new StorageError('NOT_SUPPORTED', `A ${packet.kind} is not taken for this disk.`)
  switch (packet.kind) {
    case 'begin':
      return { kind: 'begin-response', ...(await party.begin(packet)) }
    case 'read-digests': {
      const { level, first, count } = packet
      return { kind: 'read-digests-response', level, pages: await party.readDigests(level, first, count) }
    }
    case 'keep':
      await party.keep(packet.ranges)
      return { kind: 'keep-response' }
    case 'prepare':
      return { kind: 'prepare-response', root: await party.prepare(packet) }
    case 'commit':
      await party.commit(packet.epoch)
      return { kind: 'commit-response' }
    case 'cancel':
      await party.cancel(packet.epoch)
      return { kind: 'cancel-response' }
    case 'complete':
      await party.complete(packet.root)
      return { kind: 'complete-response' }
  }
}

/** Urgent: the writer may be waiting, and nothing else of the disk is under way that must come first. */
async function ask<Kind extends Packet['kind']>(
  rw: ProtocolRW,
  dev: number,
  packet: Packet,
  { kind, signal }: { kind: Kind; signal?: AbortSignal | undefined },
): Promise<Extract<Packet, { kind: Kind }>> {
  const answer = await rw.request(dev, packet, { urgent: true, ...(signal ? { signal } : {}) })
  if (answer.kind === 'failure-response') throw peerError(answer, 'VERIFY_FAILED')
  if (answer.kind !== kind) {
    const error = new StorageError('MALFORMED', `The peer answered with a ${answer.kind}.`)
    rw.fail(error)
    throw error
  }
  return answer as Extract<Packet, { kind: Kind }>
}
