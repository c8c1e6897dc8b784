import type { SentDisk } from '../../../src/devices/send-disk.ts'
import { errorCode, errorMessage } from '../../../src/errors/storage-error.ts'
import { openConnection } from '../../../src/protocol/connection.ts'
import { digestText } from '../../../src/storage/hash-tree.ts'
import { Application, type Workload } from '../application.ts'
import type { FaultKind } from '../faults.ts'
import { during, pause, text } from '../lifetimes.ts'
import type { Link, LinkTraits } from '../link.ts'
import type { Machine } from '../machine.ts'
import { type Shadow, same } from '../shadow.ts'
import { DestinationProcess, type Hardware, SourceProcess } from '../sides.ts'
import { Violation } from '../violation.ts'
import { demand, type SideName, type World } from '../world.ts'
import { checkLink, watchWindow } from './bounds.ts'
import { Freshness } from './freshness.ts'
import type { MoveSetup } from './move-setup.ts'

const DISK_FAULTS: readonly FaultKind[] = [
  ...(['read fails', 'write fails', 'flush fails', 'short read', 'short write', 'torn write', 'full'] as const),
]

/** Attempts after which no fault happens any more, and after which a move must have succeeded. */
const FAULTY_ATTEMPTS = 8
const MOST_ATTEMPTS = 10

/** Who moves what from where to where, and what its applications do meanwhile. */
export interface MoveParts {
  readonly setup: MoveSetup
  readonly from: SideName
  readonly to: SideName
  readonly near: Hardware
  readonly far: Hardware
  readonly shadow: Shadow
  readonly work: { readonly source: Workload; readonly destination: Workload }
}

/** One way of a disk: it is sent over one connection after another while applications use it at both ends, until it is over there and both know it. */
export class MoveLeg {
  readonly #world: World
  readonly #parts: MoveParts
  readonly #setup: MoveSetup
  readonly #shadow: Shadow
  readonly #near: Hardware
  readonly #far: Hardware
  readonly #freshness: Freshness
  #source: SourceProcess | undefined
  #destination: DestinationProcess | undefined
  #sourceApplication: Application | undefined
  #sourceWork: Workload
  #destinationApplication: Application | undefined
  #destinationWork: Workload
  #abort = new AbortController()
  #checkWindow: () => void = () => {}
  /** The destination owns the disk: from here on only its content counts. */
  #isOver = false
  /** Nothing is to come any more that could be taken for what was written over there. */
  #isWhole = false
  #writtenAt = -1
  /** The moment of the step before. */
  #before = 0
  /** Everything has been said. */
  #isSettled = false
  #isPatient = false
  /** Dead wires of which the destination has not heard yet. */
  #left = 0
  #root: string | undefined

  constructor(world: World, parts: MoveParts) {
    this.#world = world
    this.#parts = parts
    this.#setup = parts.setup
    this.#near = parts.near
    this.#far = parts.far
    this.#shadow = parts.shadow
    this.#freshness = new Freshness(world.geometry, parts.shadow)
    this.#sourceWork = parts.work.source
    this.#destinationWork = parts.work.destination
  }

  /** Resolves when the disk is over there, and only there. */
  async run(): Promise<void> {
    const world = this.#world
    world.scheduler.watch = () => {
      this.#lookAtOwners()
      this.#checkWindow()
      world.applyFaults()
    }
    world.onFault = ({ kind, force }) => {
      if (kind === 'abort') this.#abort.abort()
      if (kind === 'kill source' || kind === 'power of source') this.#strike('source', kind, force)
      if (kind === 'kill destination' || kind === 'power of destination') this.#strike('destination', kind, force)
    }
    const traits = world.linkTraits()
    for (let attempt = 1; !this.#isSettled; attempt++) {
      if (attempt > FAULTY_ATTEMPTS) world.stopFaults()
      demand('it arrives', attempt <= MOST_ATTEMPTS, 'The disk does not arrive although no fault happens any more.')
      this.#isPatient = attempt > FAULTY_ATTEMPTS
      await this.#attempt(traits, attempt)
    }
    await this.#checkEnd()
  }

  /** The process that is the source's now, and the destination's. */
  get #machines(): { readonly source: Machine; readonly destination: Machine } {
    const { from, to } = this.#parts
    return { source: this.#world.machines[from], destination: this.#world.machines[to] }
  }

  async #attempt(traits: LinkTraits, attempt: number): Promise<void> {
    const { scheduler } = this.#world
    scheduler.note(`attempt ${attempt}`)
    this.#abort = new AbortController()
    this.#world.beginAttempt()
    if (!(await this.#startSides())) return
    const { source, destination } = this.#machines
    const link = this.#world.connect(traits, { from: source, to: destination })
    const sent = during(source, this.#send(link))
    const received = during(destination, this.#receive(link))
    await sent
    // Over a dead wire the destination hears nothing of that; it is called again while it still waits.
    if (link.silent && !this.#isSettled) this.#leave(received)
    else await received
    checkLink(link, traits.bufferBytes)
    await pause(source, 1000)
    const { arriving, machine } = this.#destination!
    const isWaiting = this.#left === 0 && arriving.isPlaced && !arriving.isOwner && arriving.cache.waitingCalls > 0
    demand(
      'no wait without a peer',
      !machine.alive || this.#setup.reconnectMs > 0 || !isWaiting,
      'Calls wait for blocks.',
    )
  }

  #leave(received: Promise<void>): void {
    this.#left++
    received.then(
      () => this.#left--,
      (error: unknown) => this.#world.scheduler.report(error),
    )
  }

  /** Starts what is not running; false when that failed, to be tried again. */
  async #startSides(): Promise<boolean> {
    const { from, to } = this.#parts
    for (const name of [from, to]) if (!this.#world.machines[name].alive) this.#world.restart(name)
    const { source, destination } = this.#machines
    try {
      if (this.#source?.machine !== source) await during(source, this.#startSource(source))
      if (this.#destination?.machine !== destination) await during(destination, this.#startDestination(destination))
    } catch (error) {
      if (error instanceof Violation) throw error
      this.#world.scheduler.note(`a start failed with ${text(error)}`)
      this.#demandReason(error)
      await pause(source, 1000)
      return false
    }
    return source.alive && destination.alive
  }

  async #startSource(machine: Machine): Promise<void> {
    const { scheduler, geometry } = this.#world
    const { volatile } = this.#setup
    const process = await SourceProcess.start(machine, this.#near, { geometry, volatile })
    if (!machine.alive) return
    this.#freshness.watchSource(process.tracker.remote, (text) => scheduler.note(`source ${text}`))
    this.#source = process
    const mayFail = () => this.#world.met(...DISK_FAULTS)
    const isJudged = () => !this.#isOver
    const parts = { machine, disk: process.disk, shadow: this.#shadow, mayFail, isOwner: isJudged, isJudged }
    this.#sourceApplication = new Application(parts, this.#sourceWork)
  }

  async #startDestination(machine: Machine): Promise<void> {
    const { geometry } = this.#world
    const { reconnectMs } = this.#setup
    const olderCopy = this.#setup.olderCopy
    const process = new DestinationProcess(machine, this.#far, { geometry, reconnectMs, olderCopy })
    // What was handed over before can be used without anybody.
    if (this.#isOver) await process.arriving.open({ name: 'disk', ...geometry })
    if (!machine.alive) return
    this.#destination = process
    this.#destinationApplication = undefined
    if (this.#isOver) this.#use()
  }

  /** At once, or when the next thing has been written down: there is hardly a worse moment. */
  #strike(name: SideName, kind: FaultKind, force: number): void {
    const strike = () => this.#kill(name, kind.startsWith('power'))
    const { [name]: place } = this.#world.places
    if (!place || force % 2 === 0) {
      strike()
      return
    }
    place.onDone = (call) => {
      if (call !== (force < 4 ? 'write' : 'flush')) return
      place.onDone = undefined
      this.#world.strikeSoon(`${kind}, with what is written down`, strike)
    }
  }

  #kill(name: SideName, power: boolean): void {
    const machine = this.#world.machines[name]
    if (!machine.alive) return
    const isSource = name === this.#parts.from
    const hardware = isSource ? this.#near : this.#far
    machine.end()
    if (isSource) this.#sourceWork = this.#sourceApplication?.rest ?? this.#sourceWork
    else this.#destinationWork = this.#destinationApplication?.rest ?? this.#destinationWork
    if (power) {
      hardware.disk.losePower()
      hardware.place?.losePower()
      hardware.boots++
    }
    // What the other side writes meanwhile waits at its gate, and that goes on.
    if (this.#isOver === isSource) return
    // While blocks are still to come, a write that was not flushed may be taken for one of them after a start.
    if (power || (this.#isOver && !this.#isWhole)) this.#shadow.losePower(name)
    else this.#shadow.kill(name)
  }

  async #send(link: Link): Promise<void> {
    const { machine, sending, order } = this.#source!
    const { windowBytes, options } = this.#setup
    try {
      const connection = await openConnection(link.near, this.#role(machine, 'dialer'))
      this.#freshness.watchConnection(connection)
      if (windowBytes !== undefined) {
        connection.rw.limitWindow(windowBytes)
        this.#checkWindow = watchWindow(connection, windowBytes)
      }
      try {
        const sent = await sending.send({
          connection,
          name: 'disk',
          clock: machine,
          signal: this.#abort.signal,
          ...options,
          ...(this.#isPatient ? { maxRounds: 30, maxPauseMs: 60_000 } : {}),
          ...(order ? { order } : {}),
        })
        this.#sent(sent)
        await connection.close()
      } catch (error) {
        if (error instanceof Violation) throw error
        this.#sendFailed(machine, error)
        await connection.close(error)
      }
    } catch (error) {
      if (error instanceof Violation || !machine.alive) throw error
      this.#sendFailed(machine, error)
    }
  }

  #sent({ root, acknowledged }: SentDisk): void {
    const { machine, tracker, sending } = this.#source!
    if (!machine.alive) return
    machine.scheduler.note(`source: handed over, ${acknowledged ? '' : 'not '}acknowledged`)
    demand('one owner', tracker.local.state === 'locked', 'The source has handed over what it can still write.')
    demand('one owner', !acknowledged || this.#isOver, 'The destination is said to own what it does not.')
    this.#checkRoot(root)
    if (!sending.isAcknowledged) return
    this.#isSettled = true
  }

  #sendFailed(machine: Machine, error: unknown): void {
    if (!machine.alive) return
    machine.scheduler.note(`source: failed with ${text(error)}`)
    this.#demandReason(error)
    const { sending, tracker } = this.#source!
    const { state } = tracker.local
    if (errorCode(error) === 'IN_DOUBT') {
      // Whoever runs it starts it anew: what is written down counts.
      const { journals } = this.#setup
      demand('no doubt without a journal', journals, text(error))
      this.#kill(this.#parts.from, false)
    } else if (sending.isReleased) demand('one owner', state === 'locked', `The disk was given away, and is ${state}.`)
    else demand('the source runs on', state === 'open', `The move has failed, and the source is ${state}.`)
  }

  async #receive(link: Link): Promise<void> {
    const { machine, arriving } = this.#destination!
    const { scheduler } = machine
    try {
      const connection = await openConnection(link.far, this.#role(machine, 'listener'))
      try {
        await arriving.attach(connection)
        this.#use()
        const root = await arriving.handedOver
        scheduler.note('destination: owns the disk')
        this.#checkRoot(root)
        await connection.rw.ended
      } catch (error) {
        if (error instanceof Violation) throw error
        scheduler.note(`destination: failed with ${text(error)}`)
        await connection.close(error)
      }
    } catch (error) {
      if (error instanceof Violation) throw error
      scheduler.note(`destination: failed with ${text(error)}`)
    }
  }

  #role<Role extends 'dialer' | 'listener'>(machine: Machine, role: Role) {
    const { secret } = this.#setup
    return { role, clock: machine, ...(secret ? { secret } : {}) }
  }

  /** The application over there uses the disk as soon as it has been announced. */
  #use(): void {
    if (this.#destinationApplication) return
    const { machine, arriving } = this.#destination!
    this.#freshness.watchDestination(arriving.cache.remote, (text) => machine.scheduler.note(`destination: ${text}`))
    const since = (offset: number, length: number) =>
      this.#isOver ? Number.POSITIVE_INFINITY : this.#freshness.since(offset, length)
    this.#destinationApplication = new Application(
      {
        machine,
        disk: arriving.disk,
        shadow: this.#shadow,
        since,
        mayFail: () => !this.#isOver || arriving.cache.missingBlocks > 0 || this.#world.met(...DISK_FAULTS),
        isOwner: () => this.#isOver,
      },
      this.#destinationWork,
    )
  }

  /** After every step: who may write. */
  #lookAtOwners(): void {
    const before = this.#before
    this.#before = this.#shadow.now()
    if (this.#destination?.canWrite && !this.#isOver) this.#takenOver(before)
    if (!this.#isOver) return
    if (this.#destination?.canWrite) this.#isWhole ||= !this.#destination.arriving.journal.ownership!.missing
    demand('one owner', !this.#source?.canWrite, 'Both sides can write.')
    demand('one owner', this.#near.disk.writtenAt === this.#writtenAt, 'The source is written on.')
  }

  /** The gate over there has just opened: all must be there, and stay there if the power fails now. */
  #takenOver(before: number): void {
    this.#isOver = true
    this.#writtenAt = this.#near.disk.writtenAt
    this.#world.scheduler.note('the disk is taken over')
    const { blockSize } = this.#world.geometry
    const { cache } = this.#destination!.arriving
    // A write that waited at the gate may have been done by now, and promised nothing yet.
    const own = cache.ownBlocks()
    const blocks = Array.from({ length: cache.numBlocks }, (_, block) => block).filter((block) => !own.test(block))
    own.free()
    for (const block of blocks.filter((block) => cache.isPresent(block))) {
      const bytes = this.#far.disk.durable.subarray(block * blockSize, (block + 1) * blockSize)
      const wrong = this.#shadow.wrong(bytes, block * blockSize, before)
      demand('nothing is lost', wrong === undefined, `The destination takes over what is not durable there: ${wrong}`)
      // A power loss since the release may have taken from the source what the destination has.
      if (this.#world.met(`power of ${this.#parts.from}`)) continue
      const theirs = this.#near.disk.bytes.subarray(block * blockSize, (block + 1) * blockSize)
      const isSame = same(bytes, theirs)
      demand('both are equal', isSame, `Block ${block} is taken over and is not what the source holds.`)
    }
  }

  async #checkEnd(): Promise<void> {
    const { scheduler, geometry } = this.#world
    this.#world.stopFaults()
    while (!this.#machines.destination.alive) await this.#startSides()
    demand('it arrives', this.#destination!.canWrite, 'The destination cannot use what it owns.')
    scheduler.note('the applications come to an end')
    await this.#destinationApplication?.done
    const bytes = new Uint8Array(geometry.size)
    const calledAt = this.#shadow.now()
    await this.#destination!.arriving.disk.readAt(bytes, 0)
    const wrong = this.#shadow.wrong(bytes, 0, calledAt)
    demand('reads are right', wrong === undefined, `In the end the disk is wrong: ${wrong}`)
  }

  /** Both sides must name one root. */
  #checkRoot(root: Uint8Array | undefined): void {
    if (!root) return
    const named = digestText(root)
    demand('one root', this.#root === undefined || this.#root === named, `${this.#root} here and ${named} there`)
    this.#root = named
  }

  /** Where nothing goes wrong in this attempt, only a busy writer may stop it. */
  #demandReason(error: unknown): void {
    const isBusy = (cause: unknown): boolean =>
      errorMessage(cause).includes('writer would') || errorCode(cause) === 'DID_NOT_CONVERGE'
    demand('moves succeed', this.#world.isTroubled || isBusy(error), `Failed without a fault: ${text(error)}`)
  }
}
