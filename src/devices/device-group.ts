import { checkInteger, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { errorCode, StorageError } from '../errors/storage-error.ts'
import { convergenceLimits } from '../migration/convergence.ts'
import type { HandOverContext } from '../migration/live-options.ts'
import { checkDuration } from '../migration/migrator-config.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { GroupMessages } from './group-messages.ts'
import { type GroupDisk, memberOptions, type SendGroupOptions, type SentGroup } from './group-options.ts'
import { GroupRecord } from './group-record.ts'
import { GroupRun } from './group-run.ts'
import { sendGroupToSilo, transferAuthority } from './group-to-silo.ts'
import { GROUP_DISKS } from './limits.ts'
import { MemberJournal } from './member-journal.ts'
import type { SentDisk } from './send-options.ts'
import { SendingDisk } from './sending-disk.ts'

/** Which disks share one life. */
export interface DeviceGroupOptions {
  /** 1 to `GROUP_DISKS`, of different names. */
  disks: readonly GroupDisk[]
  /**
   * Where the record is kept that decides for all of them, `GROUP_RECORD_BYTES` that read as zero at first: several disks with journals need it. To be opened
   * with the same disks whenever they are used.
   */
  record?: StorageProvider
  /** Sixteen fresh random bytes. Default: the platform's. */
  randomId?: () => Uint8Array
}

/**
 * Several disks with one life, such as those of one machine: they move together over one connection and are given away together, all or none, also
 * across crashes; what an application wrote to one of them before another is so at the destination.
 */
export class DeviceGroup {
  readonly #disks: readonly GroupDisk[]
  readonly #sending: readonly SendingDisk[]
  readonly #journals: readonly (MemberJournal | undefined)[]
  readonly #record: GroupRecord | undefined
  #messages: GroupMessages | undefined
  #isInDoubt = false

  private constructor(
    disks: readonly GroupDisk[],
    parts: {
      sending: readonly SendingDisk[]
      journals: readonly (MemberJournal | undefined)[]
      record: GroupRecord | undefined
    },
  ) {
    this.#disks = disks
    this.#sending = parts.sending
    this.#journals = parts.journals
    this.#record = parts.record
  }

  /**
   * Opens the disks before their application may write; those that were given away are locked at once, all of them if any.
   * @throws StorageError `NOT_OWNER` for a disk that this side does not own, `CORRUPT`, what the journals throw: then all are locked. InvalidArgumentError
   */
  static async open({ disks, record: place, randomId }: DeviceGroupOptions): Promise<DeviceGroup> {
    checkDisks(disks)
    const journals = disks.map(({ journal }) => journal && new MemberJournal(journal))
    if (disks.length > 1 && journals.some((journal) => journal) && !place) {
      throw new InvalidArgumentError('record', 'a place, since the disks have journals', place)
    }
    try {
      const record = place && (await GroupRecord.open(place))
      const sending: SendingDisk[] = []
      for (const [index, { source }] of disks.entries()) {
        const journal = journals[index]
        // Their own records may be older than the word that decided.
        if (journal) await record?.settle(journal)
        const random = randomId ? { randomId } : {}
        sending.push(await SendingDisk.open({ source, dev: index + 1, ...(journal ? { journal } : {}), ...random }))
      }
      return new DeviceGroup(disks, { sending, journals, record })
    } catch (error) {
      // Whoever owns one of them now, nobody may find out by writing.
      await Promise.all(disks.map(({ source }) => source.lock?.()))
      throw error
    }
  }

  /** Whether the disks were given away: they are never written here again. */
  get isReleased(): boolean {
    return this.#sending.some((disk) => disk.isReleased)
  }

  /** Whether the destination needs this side no more. */
  get isAcknowledged(): boolean {
    return this.#sending.every((disk) => disk.isAcknowledged)
  }

  /**
   * Whether it could not be stored that the disks were given away, nor that they were not: nobody writes them until either can be. The next {@link send}
   * tries before it says anything.
   */
  get isInDoubt(): boolean {
    return this.#isInDoubt
  }

  /**
   * Sends the disks over this connection, or what is left to be sent or said of them: all first passes, then rounds over what was written to any, then the
   * writers of all are stopped, and all disks are handed over or none. When it resolves they have been given away, and the sources stay locked; the
   * connection stays open. After a loss it can be called again with another connection, not in dialect `silo`.
   * @throws as `sendDisk`, the first failure of any disk; while nothing was given away, all sources run on
   */
  async send(options: SendGroupOptions): Promise<SentGroup> {
    const { connection, strategy = 'pre-copy', clock, lockerHandler, unlockerHandler } = options
    if (options.concurrency !== undefined) checkInteger('concurrency', options.concurrency, 1)
    const limits = convergenceLimits(options)
    const { deadlineMs = Number.POSITIVE_INFINITY } = options
    checkDuration('deadlineMs', deadlineMs)
    await this.#revoke(options)
    const messages = new GroupMessages(connection, options.messageHandler)
    this.#messages = messages
    const isSilo = connection.dialect === 'silo'
    const run: GroupRun = new GroupRun({
      count: this.#disks.length,
      limits,
      deadlineMs,
      strategy: isSilo ? 'pre-copy' : strategy,
      ...(clock ? { clock } : {}),
      ...(lockerHandler ? { lockerHandler } : {}),
      ...(unlockerHandler ? { unlockerHandler } : {}),
      decide: async (contexts) => {
        await options.handOver?.(contexts)
        if (isSilo) await transferAuthority({ messages, run, options })
        else await this.#decide(options, contexts, run)
      },
    })
    const disks = isSilo
      ? await sendGroupToSilo({ disks: this.#disks, messages, run, options })
      : await this.#sendAll(options, run, messages)
    return {
      disks,
      acknowledged: disks.every(({ acknowledged }) => acknowledged),
      pauseMs: Math.max(...disks.map(({ pauseMs }) => pauseMs)),
    }
  }

  /** Tells the other side's application something, over the connection of the last {@link send}. @throws as `GroupMessages.send`; `PEER_LOST` before the first */
  async sendMessage(message: Uint8Array): Promise<void> {
    if (!this.#messages) throw new StorageError('PEER_LOST', 'The group is not connected yet.')
    await this.#messages.send(message)
  }

  async #sendAll(options: SendGroupOptions, run: GroupRun, messages: GroupMessages): Promise<readonly SentDisk[]> {
    const { connection, strategy = 'pre-copy' } = options
    const sizes = this.#disks.map(({ source }) => source.size)
    const devices = this.#disks.map(({ name, source: { size, blockSize } }, index) => {
      return { kind: 'dev-info', dev: index + 1, name, size, blockSize, schema: '' } as const
    })
    await messages.announce({ kind: 'device-group-info', devices }, options.signal)
    const ends = await Promise.allSettled(
      this.#sending.map(async (sending, index) => {
        const { name, order, isWhole = false } = this.#disks[index]!
        let hasJoined = false
        try {
          const sent = await sending.send({
            connection,
            name,
            strategy: isWhole ? 'pre-copy' : strategy,
            ...memberOptions(options, sizes, index),
            ...(order ? { order } : {}),
            handOver: (context) => run.agree(index, context),
            migrate: (live) => {
              hasJoined = true
              return run.join(index, live)
            },
          })
          // Given away before: then all were, and none moves now.
          if (!hasJoined) run.leave(new StorageError('IN_DOUBT', 'Only some of the disks were given away.'))
          return sent
        } catch (error) {
          run.leave(error)
          throw error
        }
      }),
    )
    const reasons: unknown[] = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
    if (reasons.length > 0) {
      // What failed first has ended the others.
      if (run.failure) reasons.unshift(run.failure.error)
      throw reasons.find((reason) => errorCode(reason) !== 'ABORTED') ?? reasons[0]
    }
    return ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []))
  }

  /** One durable step for all disks; from here on their own records only follow. */
  async #decide({ connection }: SendGroupOptions, contexts: readonly HandOverContext[], run: GroupRun): Promise<void> {
    if (!this.#record) return
    const disks = this.#journals.flatMap((journal, index) => {
      const { diskId, migration } = journal?.ownership ?? {}
      if (!diskId || !migration) return []
      return [{ diskId, migrationId: migration.id, root: contexts[index]!.root }]
    })
    try {
      await this.#record.decide(disks)
    } catch (error) {
      // Nothing may be taken back of what was perhaps given away: the destination goes on waiting for the word.
      run.isInDoubt = errorCode(error) === 'IN_DOUBT'
      this.#isInDoubt = run.isInDoubt
      if (run.isInDoubt) connection.rw.abort(error)
      throw error
    }
  }

  /** The record may say that the disks were given away: as long as it may, no promise of the destination must be taken back. */
  async #revoke({ unlockerHandler }: SendGroupOptions): Promise<void> {
    if (!this.#isInDoubt) return
    try {
      await this.#record!.revoke()
    } catch (cause) {
      throw new StorageError('IN_DOUBT', 'It still cannot be stored whether the disks were given away.', { cause })
    }
    this.#isInDoubt = false
    for (const { source } of this.#disks) source.unlock?.()
    unlockerHandler?.()
  }
}

function checkDisks(disks: readonly GroupDisk[]): void {
  if (disks.length < 1 || disks.length > GROUP_DISKS) {
    throw new InvalidArgumentError('disks', `1 to ${GROUP_DISKS} disks`, disks.length)
  }
  const names = new Set(disks.map(({ name }) => name))
  if (names.size < disks.length) throw new InvalidArgumentError('disks', 'disks of different names', [...names].join())
}
