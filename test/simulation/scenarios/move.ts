import { Bitfield } from '../../../src/bitfield/bitfield.ts'
import type { SentDisk } from '../../../src/devices/send-disk.ts'
import { errorCode, errorMessage } from '../../../src/errors/storage-error.ts'
import { openConnection } from '../../../src/protocol/connection.ts'
import { digestText } from '../../../src/storage/hash-tree.ts'
import { Application, planWorkload, type Workload } from '../application.ts'
import type { FaultKind } from '../faults.ts'
import { during, pause, text } from '../lifetimes.ts'
import type { Link, LinkTraits } from '../link.ts'
import type { Machine } from '../machine.ts'
import type { Shadow } from '../shadow.ts'
import { DestinationProcess, type Hardware, placeBytes, SourceProcess } from '../sides.ts'
import { Violation } from '../violation.ts'
import { demand, type SideName, type World } from '../world.ts'
import { type MoveSetup, planMove } from './move-setup.ts'

const DISK_FAULTS: readonly FaultKind[] = [
  ...(['read fails', 'write fails', 'flush fails', 'short read', 'short write', 'torn write', 'full'] as const),
]

/** Attempts after which no fault happens any more, and after which a move must have succeeded. */
const FAULTY_ATTEMPTS = 8
const MOST_ATTEMPTS = 16

/** How long somebody watches a move that does not go on. */
const PATIENCE_MS = 1_200_000

/** A disk is sent over one connection after another while applications use it at both ends, until it is over there and both know it. */
export async function move(world: World): Promise<void> {
  await new Move(world).run()
}

class Move {
  readonly #world: World
  readonly #setup: MoveSetup
  readonly #shadow: Shadow
  readonly #near: Hardware
  readonly #far: Hardware
  #source: SourceProcess | undefined
  #destination: DestinationProcess | undefined
  #sourceApplication: Application | undefined
  #sourceWork: Workload
  #destinationApplication: Application | undefined
  #destinationWork: Workload
  #abort = new AbortController()
  /** When the source last took its dirty set, and since when each block over there is no older than it. */
  #syncedAt = 0
  readonly #since: number[]
  /** The destination owns the disk: from here on only its content counts. */
  #isOver = false
  #writtenAt = -1
  /** The moment of the step before. */
  #before = 0
  /** Everything has been said. */
  #isSettled = false
  #isPatient = false
  /** A wrong bit has left both sides in doubt: nobody owns the disk, and somebody has to decide. */
  #isVoid = false
  #root: string | undefined

  constructor(world: World) {
    this.#world = world
    const { plan, geometry } = world
    this.#setup = planMove(world)
    this.#near = this.#hardware('source')
    this.#far = this.#hardware('destination')
    this.#shadow = world.fill(this.#near.disk)
    const blocks = Math.ceil(geometry.size / geometry.blockSize)
    this.#since = Array.from({ length: blocks }, () => this.#shadow.now())
    this.#sourceWork = planWorkload(plan, geometry, 12)
    this.#destinationWork = planWorkload(plan, geometry, 8)
  }

  #hardware(name: SideName): Hardware {
    const traits = this.#world.diskTraits({ synchronous: !this.#setup.journals })
    const disk = this.#world.disk(name, traits)
    const place = this.#setup.journals
      ? this.#world.place(name, placeBytes(this.#world.geometry), {
          ...traits,
          latencyMs: Math.min(traits.latencyMs, 2),
        })
      : undefined
    return { disk, place, boots: 1 }
  }

  async run(): Promise<void> {
    const world = this.#world
    world.scheduler.watch = () => {
      this.#lookAtOwners()
      world.applyFaults()
    }
    world.onFault = ({ kind }) => {
      if (kind === 'abort') this.#abort.abort()
      if (kind === 'kill source' || kind === 'power of source') this.#kill('source', kind === 'power of source')
      if (kind === 'kill destination' || kind === 'power of destination') {
        this.#kill('destination', kind === 'power of destination')
      }
    }
    const traits = world.linkTraits()
    for (let attempt = 1; !this.#isSettled && !this.#isVoid; attempt++) {
      if (attempt > FAULTY_ATTEMPTS) world.stopFaults()
      // A wrong bit in what both sides write down about the move makes them strangers for good; still only one owns the disk.
      if (attempt > MOST_ATTEMPTS && world.met('flip')) return
      demand('it arrives', attempt <= MOST_ATTEMPTS, 'The disk does not arrive although no fault happens any more.')
      this.#isPatient = attempt > FAULTY_ATTEMPTS
      await this.#attempt(traits, attempt)
    }
    if (!this.#isVoid) await this.#checkEnd()
  }

  async #attempt(traits: LinkTraits, attempt: number): Promise<void> {
    const { machines, scheduler } = this.#world
    scheduler.note(`attempt ${attempt}`)
    this.#abort = new AbortController()
    if (!(await this.#startSides())) return
    const link = this.#world.connect(traits)
    const { source, destination } = machines
    // Nothing guards the heads of frames: a wrong bit there may leave a request without an answer for ever.
    const rest = scheduler.in(PATIENCE_MS, 'somebody loses patience', () => {
      if (this.#world.met('flip')) link.cut()
    })
    const sent = during(source, this.#send(link))
    await Promise.all([sent, during(destination, this.#receive(link))])
    rest()
    await pause(machines.source, 1000)
  }

  /** Starts what is not running; false when that failed, to be tried again. */
  async #startSides(): Promise<boolean> {
    const { machines } = this.#world
    for (const name of ['source', 'destination'] as const) if (!machines[name].alive) this.#world.restart(name)
    const { source, destination } = machines
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
    const { remote } = process.tracker
    const sync = remote.sync.bind(remote)
    remote.sync = () => {
      this.#syncedAt = this.#shadow.now()
      scheduler.note(`source takes ${remote.dirtyBlocks} dirty blocks`)
      return sync()
    }
    this.#source = process
    const mayFail = () => this.#world.met(...DISK_FAULTS)
    const isJudged = () => !this.#isOver
    const parts = { machine, disk: process.disk, shadow: this.#shadow, mayFail, isJudged }
    this.#sourceApplication = new Application(parts, this.#sourceWork)
  }

  async #startDestination(machine: Machine): Promise<void> {
    const { geometry } = this.#world
    const { reconnectMs } = this.#setup
    const process = new DestinationProcess(machine, this.#far, { geometry, reconnectMs })
    // What was handed over before can be used without anybody.
    if (this.#isOver) await process.arriving.open({ name: 'disk', ...geometry })
    if (!machine.alive) return
    this.#destination = process
    this.#destinationApplication = undefined
    if (this.#isOver) this.#use()
  }

  #kill(name: SideName, power: boolean): void {
    const machine = this.#world.machines[name]
    if (!machine.alive) return
    const hardware = name === 'source' ? this.#near : this.#far
    machine.end()
    if (name === 'source') this.#sourceWork = this.#sourceApplication?.rest ?? this.#sourceWork
    else this.#destinationWork = this.#destinationApplication?.rest ?? this.#destinationWork
    if (power) {
      hardware.disk.losePower()
      hardware.place?.losePower()
      hardware.boots++
    }
    // What the other side writes meanwhile waits at its gate, and that goes on.
    if (this.#isOver === (name === 'source')) return
    // While blocks are still to come, a write that was not flushed may be taken for one of them after a start.
    if (power || this.#isOver) this.#shadow.losePower()
    else this.#shadow.kill()
  }

  async #send(link: Link): Promise<void> {
    const { machine, sending, order } = this.#source!
    const { windowBytes, options } = this.#setup
    try {
      const connection = await openConnection(link.near, this.#role(machine, 'dialer'))
      if (windowBytes !== undefined) connection.rw.limitWindow(windowBytes)
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
      demand('no doubt without a journal', journals || this.#world.met('flip'), text(error))
      if (journals) this.#kill('source', false)
      else this.#isVoid = true
    } else if (sending.isReleased) demand('one owner', state === 'locked', `The disk was given away, and is ${state}.`)
    else
      demand('the source runs on', state === 'open' || this.#isVoid, `The move has failed, and the source is ${state}.`)
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
    const { blockSize } = this.#world.geometry
    const { remote } = arriving.cache
    const invalidate = remote.invalidate.bind(remote)
    remote.invalidate = (blocks) => {
      const list = blocks instanceof Bitfield ? numbersOf(blocks) : [...blocks]
      for (const block of list) this.#since[block] = this.#syncedAt
      machine.scheduler.note(`destination: blocks ${list.join(' ')} are void`)
      invalidate(list)
    }
    const since = (offset: number, length: number) =>
      this.#isOver
        ? Number.POSITIVE_INFINITY
        : Math.min(...this.#since.slice(Math.floor(offset / blockSize), Math.ceil((offset + length) / blockSize)))
    this.#destinationApplication = new Application(
      {
        machine,
        disk: arriving.disk,
        shadow: this.#shadow,
        since,
        mayFail: () => !this.#isOver || arriving.cache.missingBlocks > 0 || this.#world.met(...DISK_FAULTS),
        isOwner: () => this.#isOver,
        isJudged: () => this.#isOver || !this.#world.met('flip'),
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
    }
  }

  async #checkEnd(): Promise<void> {
    const { machines, scheduler, geometry } = this.#world
    this.#world.stopFaults()
    while (!machines.destination.alive) await this.#startSides()
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

  /** Without any fault only a busy writer may stop a move. */
  #demandReason(error: unknown): void {
    const isBusy = (cause: unknown): boolean =>
      errorMessage(cause).includes('writer would') || errorCode(cause) === 'DID_NOT_CONVERGE'
    const hasFault = [...this.#world.happened].some((kind) => kind !== 'slow')
    demand('moves succeed', hasFault || isBusy(error) || this.#isOver, `Failed without a fault: ${text(error)}`)
  }
}

function numbersOf(blocks: Bitfield): number[] {
  const numbers: number[] = []
  for (let block = blocks.nextSet(0); block >= 0; block = blocks.nextSet(block + 1)) numbers.push(block)
  return numbers
}
