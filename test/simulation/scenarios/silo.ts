import { type ReceivedDisk, receiveDisk } from '../../../src/devices/receive-disk.ts'
import { sendDisk } from '../../../src/devices/send-disk.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { createDirtyTracker, type DirtyTracker } from '../../../src/modules/dirty-tracker.ts'
import { VolatilityMonitor } from '../../../src/orders/volatility-monitor.ts'
import { openConnection } from '../../../src/protocol/connection.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { Application, planWorkload, type Workload } from '../application.ts'
import type { FaultKind } from '../faults.ts'
import type { HardwareDisk } from '../hardware-disk.ts'
import { during, text } from '../lifetimes.ts'
import type { Link, LinkTraits } from '../link.ts'
import type { Machine } from '../machine.ts'
import { type Shadow, same } from '../shadow.ts'
import { Violation } from '../violation.ts'
import { demand, type World } from '../world.ts'
import { Freshness } from './freshness.ts'

const FAULTS: readonly FaultKind[] = [
  ...(['cut', 'stall', 'read fails', 'write fails', 'flush fails', 'short read', 'short write'] as const),
  ...(['torn write', 'full', 'slow', 'hide', 'abort', 'kill source', 'kill destination'] as const),
  ...(['power of source', 'power of destination'] as const),
]

const DISK_FAULTS = [
  ...(['read fails', 'write fails', 'flush fails', 'short read', 'short write', 'torn write', 'full'] as const),
]

/** Attempts after which no fault happens any more, and after which a move must have succeeded. */
const FAULTY_ATTEMPTS = 6
const MOST_ATTEMPTS = 14

/** A disk goes to a peer that speaks Silo: one connection an attempt, an event as the last word, nothing kept for the next attempt. */
export async function moveToSilo(world: World): Promise<void> {
  await new SiloMove(world).run()
}

/** How the two sides are set up. */
interface Setup {
  readonly windowBytes: number | undefined
  readonly volatile: boolean
  readonly runBytes: number | undefined
  readonly concurrency: number | undefined
  readonly maxRounds: number
  readonly maxPauseMs: number
}

class SiloMove {
  readonly #world: World
  readonly #setup: Setup
  readonly #shadow: Shadow
  readonly #sourceDisk: HardwareDisk
  #tracker!: DirtyTracker
  #order: VolatilityMonitor | undefined
  #sourceApplication!: Application
  #sourceWork: Workload
  #destinationDisk: HardwareDisk | undefined
  #destinationApplication: Application | undefined
  #destinationWork: Workload
  #received: ReceivedDisk | undefined
  #abort = new AbortController()
  readonly #freshness: Freshness
  /** The destination owns the disk: from here on only its content counts. */
  #isOver = false
  #writtenAt = -1
  /** The moment of the step before. */
  #before = 0
  /** The source cannot tell whether the destination has heard the last word, and stays locked. */
  #isInDoubt = false
  #sourceFailed = false
  /** No limit of the source's own stops it any more. */
  #isPatient = false

  constructor(world: World) {
    this.#world = world
    const { plan, geometry } = world
    this.#setup = {
      windowBytes: plan.pick([undefined, 2 * geometry.blockSize, undefined, 600]),
      volatile: plan.below(3) === 2,
      runBytes: plan.pick([undefined, geometry.blockSize, 4 * geometry.blockSize]),
      concurrency: plan.pick([undefined, 1, 2]),
      maxRounds: plan.pick([30, 3, 1]),
      maxPauseMs: plan.pick([500, 5000, 20]),
    }
    world.planFaults(FAULTS)
    this.#sourceDisk = world.disk('source', world.diskTraits())
    this.#shadow = world.fill(this.#sourceDisk)
    this.#freshness = new Freshness(geometry, this.#shadow)
    this.#sourceWork = planWorkload(plan, geometry, { most: 12 })
    this.#destinationWork = planWorkload(plan, geometry, { most: 8, readers: 12 })
  }

  async run(): Promise<void> {
    const world = this.#world
    world.scheduler.watch = () => {
      this.#lookAtOwners()
      world.applyFaults()
    }
    world.onFault = ({ kind }) => {
      if (kind === 'abort') this.#abort.abort()
      if (kind === 'kill source' || kind === 'power of source') this.#killSource(kind === 'power of source')
      if (kind === 'kill destination' || kind === 'power of destination')
        this.#killDestination(kind === 'power of destination')
    }
    this.#openSource()
    // Over two lanes blocks could come before the list that voids their older copies: that dialect does not tell them apart.
    const link = { ...world.linkTraits(), lanes: 1 }
    for (let attempt = 1; !this.#isOver; attempt++) {
      if (attempt > FAULTY_ATTEMPTS) world.stopFaults()
      demand('it arrives', attempt <= MOST_ATTEMPTS, 'The disk does not arrive although no fault happens any more.')
      await this.#attempt(link, attempt)
    }
    await this.#checkEnd()
  }

  async #attempt(traits: LinkTraits, attempt: number): Promise<void> {
    const { machines, scheduler } = this.#world
    if (!machines.source.alive) {
      this.#world.restart('source')
      this.#openSource()
    }
    if (!machines.destination.alive) this.#world.restart('destination')
    scheduler.note(`attempt ${attempt}`)
    this.#world.beginAttempt()
    const link = this.#world.connect(traits)
    this.#isPatient = attempt > FAULTY_ATTEMPTS
    this.#abort = new AbortController()
    this.#isInDoubt = false
    this.#sourceFailed = false
    const { source, destination } = machines
    await Promise.all([during(source, this.#send(source, link)), during(destination, this.#receive(destination, link))])
    if (this.#isOver) return
    this.#destinationWork = this.#destinationApplication?.rest ?? this.#destinationWork
    this.#destinationApplication?.stop()
    this.#destinationApplication = undefined
    // Long enough for whoever runs it to see whether the destination has taken the disk over all the same.
    await new Promise<void>((resolve) => scheduler.in(5000, 'a while passes', resolve))
    if (this.#isInDoubt && !this.#isOver) this.#tracker.local.unlock()
    const isWaiting = destination.alive && this.#received !== undefined && this.#received.cache.waitingCalls > 0
    demand('no wait without a peer', this.#isOver || !isWaiting, 'Calls wait for blocks.')
  }

  #openSource(): void {
    const { geometry, machines, scheduler } = this.#world
    const machine = machines.source
    this.#tracker = createDirtyTracker(this.#sourceDisk.open(machine), geometry.blockSize)
    const { local, remote } = this.#tracker
    this.#freshness.watchSource(remote, (text) => scheduler.note(`source ${text}`))
    this.#order = this.#setup.volatile
      ? new VolatilityMonitor(local, geometry.blockSize, { clock: machine })
      : undefined
    const disk: StorageProvider = this.#order ?? local
    const mayFail = () => this.#world.met(...DISK_FAULTS)
    const isOwner = () => !this.#isOver
    const parts = { machine, disk, shadow: this.#shadow, mayFail, isOwner, isJudged: isOwner }
    this.#sourceApplication = new Application(parts, this.#sourceWork)
  }

  #killSource(power: boolean): void {
    const { machines } = this.#world
    if (!machines.source.alive || this.#isOver) return
    machines.source.end()
    this.#sourceWork = this.#sourceApplication.rest
    if (power) this.#sourceDisk.losePower()
    if (power) this.#shadow.losePower('source')
    else this.#shadow.kill('source')
  }

  #killDestination(power: boolean): void {
    const { machines } = this.#world
    if (!machines.destination.alive) return
    machines.destination.end()
    if (power) this.#destinationDisk?.losePower()
    if (!this.#isOver) return
    if (power) this.#shadow.losePower('destination')
    else this.#shadow.kill('destination')
  }

  async #send(machine: Machine, link: Link): Promise<void> {
    const { windowBytes, runBytes, concurrency, maxRounds, maxPauseMs } = this.#setup
    const { scheduler } = machine
    try {
      const role = { dialect: 'silo', role: 'dialer', clock: machine } as const
      const connection = await openConnection(link.near, role)
      this.#freshness.watchConnection(connection)
      if (windowBytes !== undefined) connection.rw.limitWindow(windowBytes)
      try {
        await sendDisk({
          connection,
          source: this.#tracker.remote,
          name: 'disk',
          clock: machine,
          signal: this.#abort.signal,
          maxRounds: this.#isPatient ? 30 : maxRounds,
          maxPauseMs: this.#isPatient ? 60_000 : maxPauseMs,
          ...(this.#order ? { order: this.#order } : {}),
          ...(runBytes === undefined ? {} : { runBytes }),
          ...(concurrency === undefined ? {} : { concurrency: { any: concurrency } }),
        })
        if (!machine.alive) return
        scheduler.note('source: handed over')
        demand('one owner', this.#isOver, 'The source has handed over what the destination does not own.')
        await connection.close()
      } catch (error) {
        if (error instanceof Violation) throw error
        await this.#sendFailed(machine, error)
        await connection.close(error)
      }
    } catch (error) {
      if (error instanceof Violation || !machine.alive) throw error
      await this.#sendFailed(machine, error)
    }
  }

  async #sendFailed(machine: Machine, error: unknown): Promise<void> {
    if (!machine.alive) return
    machine.scheduler.note(`source: failed with ${text(error)}`)
    this.#demandReason(error)
    this.#sourceFailed = true
    const { state } = this.#tracker.local
    this.#isInDoubt = errorCode(error) === 'IN_DOUBT'
    const expected = this.#isInDoubt ? 'locked' : 'open'
    demand(
      'the source runs on',
      state === expected,
      `The move has failed with ${text(error)}, and the source is ${state}.`,
    )
  }

  async #receive(machine: Machine, link: Link): Promise<void> {
    const { scheduler } = machine
    this.#freshness.beginAnew()
    this.#received = undefined
    try {
      const role = { dialect: 'silo', role: 'listener', clock: machine } as const
      const connection = await openConnection(link.far, role)
      try {
        const received = await receiveDisk({ connection, create: () => this.#place(machine) })
        this.#use(machine, received)
        await received.handedOver
        scheduler.note('destination: owns the disk')
        await connection.rw.ended
      } catch (error) {
        if (!(error instanceof Violation)) {
          scheduler.note(`destination: failed with ${text(error)}`)
          this.#demandReason(error)
          await connection.close(error)
        } else throw error
      }
    } catch (error) {
      if (error instanceof Violation) throw error
      scheduler.note(`destination: failed with ${text(error)}`)
    }
  }

  #place(machine: Machine): StorageProvider {
    this.#destinationDisk = this.#world.disk('destination', this.#world.diskTraits())
    this.#world.fillNoise(this.#destinationDisk)
    return this.#destinationDisk.open(machine)
  }

  /** The application over there uses the disk at once. */
  #use(machine: Machine, received: ReceivedDisk): void {
    this.#received = received
    this.#freshness.watchDestination(received.cache.remote, (text) => machine.scheduler.note(`destination: ${text}`))
    const since = (offset: number, length: number) =>
      this.#isOver ? Number.POSITIVE_INFINITY : this.#freshness.since(offset, length)
    this.#destinationApplication = new Application(
      {
        machine,
        disk: received.disk,
        shadow: this.#shadow,
        since,
        mayFail: () => !this.#isOver || this.#world.met(...DISK_FAULTS),
        isOwner: () => this.#isOver,
        isJudged: () => true,
      },
      this.#destinationWork,
    )
  }

  /** After every step: who may write. */
  #lookAtOwners(): void {
    const { source, destination } = this.#world.machines
    const before = this.#before
    this.#before = this.#shadow.now()
    if (!destination.alive || this.#received?.disk.state !== 'open') return
    if (!this.#isOver) this.#takenOver(before)
    const both = source.alive && this.#tracker.local.state === 'open'
    demand('one owner', !both, 'Both sides can write.')
    demand('one owner', this.#sourceDisk.writtenAt === this.#writtenAt, 'The source writes on.')
  }

  /** The gate over there has just opened: all must be there, and stay there if the power fails now. */
  #takenOver(before: number): void {
    this.#isOver = true
    this.#writtenAt = this.#sourceDisk.writtenAt
    this.#world.scheduler.note('the disk is taken over')
    const { durable } = this.#destinationDisk!
    const wrong = this.#shadow.wrong(durable, 0, before)
    demand('nothing is lost', wrong === undefined, `The destination takes over what is not durable there: ${wrong}`)
    const isLocked = this.#world.machines.source.alive && this.#tracker.local.state === 'locked'
    const isSame = !isLocked || same(this.#sourceDisk.bytes, durable)
    demand('both are equal', isSame, 'What is taken over is not what the source holds.')
  }

  async #checkEnd(): Promise<void> {
    const { machines, scheduler } = this.#world
    if (!machines.destination.alive) {
      const wrong = this.#shadow.wrong(this.#destinationDisk!.bytes, 0, this.#shadow.now())
      demand('nothing is lost', wrong === undefined, `After the destination was killed: ${wrong}`)
      return
    }
    this.#world.stopFaults()
    scheduler.note('the applications come to an end')
    await this.#destinationApplication?.done
    const bytes = new Uint8Array(this.#world.geometry.size)
    const calledAt = this.#shadow.now()
    await this.#received!.disk.readAt(bytes, 0)
    const wrong = this.#shadow.wrong(bytes, 0, calledAt)
    demand('reads are right', wrong === undefined, `In the end the disk is wrong: ${wrong}`)
  }

  /** Without any fault only a busy writer may stop a move. */
  #demandReason(error: unknown): void {
    demand(
      'moves succeed',
      this.#sourceFailed || errorCode(error) === 'DID_NOT_CONVERGE' || this.#world.isTroubled,
      `Failed without a fault: ${text(error)}`,
    )
  }
}
