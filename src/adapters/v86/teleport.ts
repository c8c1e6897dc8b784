import { type Clock, systemClock } from '../../async/clock.ts'
import { DeviceGroup } from '../../devices/device-group.ts'
import type { DiskJournal } from '../../devices/disk-journal.ts'
import type { SendGroupOptions, SentGroup } from '../../devices/group-options.ts'
import { errorCode, StorageError } from '../../errors/storage-error.ts'
import type { MigrationStrategy } from '../../migration/live-options.ts'
import type { BlockStateReader, MigrationProgress } from '../../migration/progress.ts'
import type { Connection } from '../../protocol/connection.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { offerMachine } from './agreement-messages.ts'
import { checkVersion, describe } from './description.ts'
import { GuestHold } from './guest-hold.ts'
import { RUNS_MS } from './limits.ts'
import { hardDisks, type V86Machine, whenLoaded } from './machine.ts'
import { decodeWord, encodeWord, MACHINE_PARTS, type MachinePart } from './machine-parts.ts'
import type { V86Disk } from './v86-disk.ts'
import { V86Memory } from './v86-memory.ts'
import { V86State } from './v86-state.ts'

/** How far one part of the machine is. */
export interface TeleportProgress {
  readonly part: MachinePart
  readonly progress: MigrationProgress
  readonly blocks: BlockStateReader
}

/** `agreeing`: nothing moves yet. `moving`: the guest runs here meanwhile. `stopped`: it waits for the last differences. `released`: it was given away. */
export type TeleportPhase = 'agreeing' | 'moving' | 'stopped' | 'released'

/** Which machine, and where to. */
export interface TeleportOptions
  extends Pick<SendGroupOptions, 'maxPauseMs' | 'maxRounds' | 'targetPauseMs' | 'concurrency' | 'signal' | 'clock'> {
  emulator: V86Machine
  /** Its only disk. */
  disk: V86Disk
  /** Of dialect `blockferry/1`; stays open. */
  connection: Connection
  /** Both sides must call the machine the same: the version of the emulator, which it does not tell by itself, and whatever else must be equal. */
  version: string
  /**
   * With `auto` or `post-copy` blocks of the disk may follow after the guest runs at the other side, which then needs this one until the last has come, and
   * {@link teleport} resolves then. Default: `pre-copy`.
   */
  strategy?: MigrationStrategy
  /** Remembers whose the disk is beyond the end of this page; needs `record`. Default: nothing does. */
  diskJournal?: DiskJournal
  /** As that of a `DeviceGroup`. */
  record?: StorageProvider
  onProgress?: (progress: TeleportProgress) => void
  onPhase?: (phase: TeleportPhase) => void
}

/** A machine that runs elsewhere. */
export interface Teleported {
  /** From the moment the guest was stopped here to the word that it runs there; undefined when that word did not come. */
  readonly pauseMs: number | undefined
  /** From the same moment until it was given away. */
  readonly stoppedMs: number
  readonly rounds: number
  /** Of all parts, repetitions and zeroes included. */
  readonly bytesMoved: number
  /** Whether the other side has said that it owns the machine and needs this one no more. */
  readonly acknowledged: boolean
  /** Why blocks of the disk that were to follow have not; see {@link tellAgain}. */
  readonly reason?: unknown
  /**
   * Tells a side that has not acknowledged again that the machine is its own, and gives it what it lacks, over another connection, to which it attaches; until
   * then it may wait for that word. May be called until it resolves. @throws as `DeviceGroup.send`
   */
  tellAgain(connection: Connection): Promise<void>
}

/**
 * Moves a running guest to whoever has called `arrive` at the other end: disk and memory go ahead while it runs, then it is stopped, what has changed since
 * follows with the state of the devices, and once the other side has put all of it together, the machine is given away and runs there.
 *
 * Until it is given away any failure lets the guest go on here; from then on it never runs here again: `emulator.run` refuses. While it is stopped, `run` waits for
 * what becomes of it, as `saveMachine` does.
 * @throws StorageError `INCOMPATIBLE` for machines that differ, before anything moved; `NOT_SUPPORTED`, also for a machine with other disks; what a `DeviceGroup` throws; InvalidArgumentError. With `IN_DOUBT` the guest stays stopped.
 */
export async function teleport(options: TeleportOptions): Promise<Teleported> {
  const { emulator, disk, connection, version, clock = systemClock, onPhase, diskJournal, record } = options
  checkVersion(version)
  const cpu = await whenLoaded(emulator)
  const disks = hardDisks(cpu)
  if (disks.length !== 1 || disks[0] !== disk) {
    throw new StorageError(
      'NOT_SUPPORTED',
      'Only a machine with one hard disk moves, and that has to be the one named.',
    )
  }
  onPhase?.('agreeing')
  const { state, saved } = await V86State.of(emulator, cpu)
  await offerMachine(connection, describe(cpu, saved, { version, diskBytes: disk.byteLength }), options.signal)
  const memory = new V86Memory(cpu, () => emulator.is_running(), clock)
  const sources = [disk.tracker.remote, memory, state.source]
  const group = await DeviceGroup.open({
    disks: MACHINE_PARTS.map((name, index) => ({
      name,
      source: sources[index]!,
      ...(name === 'disk' && diskJournal ? { journal: diskJournal } : {}),
      // The guest cannot wait for a page of its memory; for a block of its disk it can.
      isWhole: name !== 'disk',
    })),
    ...(record ? { record } : {}),
  })
  let hold: GuestHold | undefined
  let runs = false
  let stoppedAt = 0
  let readyAt = 0
  let runsThere: (at: number) => void
  const running = new Promise<number>((resolve) => {
    runsThere = resolve
  })
  const { signal, ...how } = sendOptions(options)
  const passed = MACHINE_PARTS.map(() => ({ rounds: 0, bytesMoved: 0 }))
  onPhase?.('moving')
  let sent: SentGroup | undefined
  let reason: unknown
  try {
    sent = await group.send({
      ...how,
      ...(signal ? { signal } : {}),
      connection,
      progressHandler: (index, progress, blocks) => {
        passed[index] = { rounds: progress.round, bytesMoved: progress.bytesMoved }
        how.progressHandler?.(index, progress, blocks)
      },
      lockerHandler: async () => {
        onPhase?.('stopped')
        stoppedAt = clock.now()
        hold = await GuestHold.take(emulator)
        // An answer of the disk changes devices and memory, also of a machine that is stopped.
        await disk.settle()
        await state.take()
      },
      unlockerHandler: () => {
        void hold?.release()
        hold = undefined
        onPhase?.('moving')
      },
      // Only a machine that has been put together there is given away.
      handOver: async () => {
        runs = hold!.runs
        await group.sendMessage(encodeWord(runs ? 'restore running' : 'restore'))
        readyAt = clock.now()
      },
      messageHandler: (message) => {
        if (decodeWord(message) === 'runs') runsThere(clock.now())
      },
    })
  } catch (error) {
    if (!group.isReleased || errorCode(error) === 'IN_DOUBT') {
      // Not let go: it was given away, or perhaps was.
      hold?.retire(new StorageError('IN_DOUBT', 'This machine may have been moved away.'))
      throw error
    }
    // It runs there; what follows can be sent again.
    reason = error
  }
  hold!.retire(new StorageError('NOT_OWNER', 'This machine was moved away; it runs elsewhere.'))
  onPhase?.('released')
  const runsAt = runs ? await heard(running, { connection, clock, signal }) : undefined
  const parts = sent?.disks ?? passed
  return {
    pauseMs: runsAt === undefined ? undefined : runsAt - stoppedAt,
    stoppedMs: sent?.pauseMs ?? readyAt - stoppedAt,
    rounds: Math.max(...parts.map(({ rounds }) => rounds)),
    bytesMoved: parts.reduce((bytes, { bytesMoved }) => bytes + bytesMoved, 0),
    acknowledged: sent?.acknowledged ?? false,
    ...(reason === undefined ? {} : { reason }),
    tellAgain: async (connection) => {
      const { acknowledged } = await group.send({ ...how, connection })
      if (!acknowledged)
        throw new StorageError('PEER_LOST', 'The other side has not said that it needs this one no more.')
    },
  }
}

/** What `word` says, unless it does not come. */
async function heard<Word>(
  word: Promise<Word>,
  { connection, clock, signal }: { connection: Connection; clock: Clock; signal: AbortSignal | undefined },
): Promise<Word | undefined> {
  const over = new AbortController()
  const late = clock.sleep(RUNS_MS, signal ? AbortSignal.any([signal, over.signal]) : over.signal).catch(() => {})
  const nothing = () => undefined
  try {
    return await Promise.race([word, connection.rw.ended.then(nothing), late.then(nothing)])
  } finally {
    over.abort()
  }
}

function sendOptions({
  strategy,
  maxPauseMs = MAX_PAUSE_MS,
  maxRounds,
  targetPauseMs,
  concurrency,
  signal,
  clock,
  onProgress,
}: TeleportOptions): Omit<SendGroupOptions, 'connection'> {
  return {
    maxPauseMs,
    ...(strategy ? { strategy } : {}),
    ...(maxRounds === undefined ? {} : { maxRounds }),
    ...(targetPauseMs === undefined ? {} : { targetPauseMs }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(signal ? { signal } : {}),
    ...(clock ? { clock } : {}),
    ...(onProgress
      ? {
          progressHandler: (index: number, progress: MigrationProgress, blocks: BlockStateReader) =>
            onProgress({ part: MACHINE_PARTS[index]!, progress, blocks }),
        }
      : {}),
  }
}

/** Longest pause of a guest that is accepted without another word: a person takes it for a slow answer. */
const MAX_PAUSE_MS = 2000
