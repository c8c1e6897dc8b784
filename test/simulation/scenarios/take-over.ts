import { errorCode } from '../../../src/errors/storage-error.ts'
import type { Ownership } from '../../../src/migration/journal/ownership.ts'
import { openConnection } from '../../../src/protocol/connection.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { Application, planWorkload, type Workload } from '../application.ts'
import type { FaultKind } from '../faults.ts'
import { during, pause, text } from '../lifetimes.ts'
import type { Link } from '../link.ts'
import type { Machine } from '../machine.ts'
import { Shadow, same } from '../shadow.ts'
import { DestinationProcess, type Hardware, SourceProcess } from '../sides.ts'
import { Violation } from '../violation.ts'
import { demand, type SideName, type World } from '../world.ts'
import { Freshness } from './freshness.ts'
import { openHardware } from './move.ts'
import { type MoveSetup, planMove } from './move-setup.ts'

const FAULTS: readonly FaultKind[] = [
  ...(['cut', 'stall', 'flush fails', 'write fails', 'torn write', 'short write', 'slow'] as const),
  ...(['kill source', 'kill destination', 'power of source', 'power of destination'] as const),
]

const DISK_FAULTS = ['flush fails', 'write fails', 'torn write', 'short write'] as const

/** Attempts of a take-over after which no storage fails any more, and after which it must have ended. */
const FAULTY_ATTEMPTS = 4
const MOST_ATTEMPTS = 8

/**
 * A source is lost while its disk moves, and the destination makes the disk its own by force; then the source comes back. Two may own the disk only from
 * there until they meet: then whoever had not given it away stops, and so does the new owner.
 */
export async function takeOver(world: World): Promise<void> {
  await new TakeOver(world).run()
}

class TakeOver {
  readonly #world: World
  readonly #setup: MoveSetup
  readonly #hardware: Record<SideName, Hardware>
  /** What the source's disk may hold, and from the take-over on the destination's. */
  readonly #shadows: Record<SideName, Shadow>
  readonly #freshness: Freshness
  readonly #work: Record<SideName, Workload>
  readonly #applications: Partial<Record<SideName, Application>> = {}
  #source: SourceProcess | undefined
  #destination: DestinationProcess | undefined
  #isForced = false

  constructor(world: World) {
    this.#world = world
    const { plan, geometry } = world
    this.#setup = { ...planMove(world, 'killed'), olderCopy: false }
    this.#hardware = {
      source: openHardware(world, this.#setup, 'source'),
      destination: openHardware(world, this.#setup, 'destination'),
    }
    const shadow = world.fill(this.#hardware.source.disk)
    this.#shadows = { source: shadow, destination: shadow }
    this.#freshness = new Freshness(geometry, shadow)
    this.#work = {
      source: planWorkload(plan, geometry, { most: 16 }),
      destination: planWorkload(plan, geometry, { most: 12 }),
    }
    world.planFaults(FAULTS)
  }

  async run(): Promise<void> {
    const world = this.#world
    world.scheduler.watch = () => {
      const both = this.#source?.canWrite && this.#destination?.canWrite
      demand('one owner', this.#isForced || !both, 'Both sides can write, and nobody was forced.')
      const { state } = this.#source?.journal?.ownership ?? {}
      const isGiven = state === 'released' || state === 'gone'
      demand('one owner', !isGiven || !this.#source!.canWrite, 'The source can write what it gave away.')
      world.applyFaults()
    }
    world.onFault = ({ kind }) => {
      const name = kind.endsWith('source') ? 'source' : 'destination'
      this.#kill(name, kind.startsWith('power'))
    }
    for (let left = world.plan.between(1, 3); left > 0; left--) await this.#move()
    if (world.plan.below(2) === 1) this.#kill('source', false)
    if (!(await this.#force())) return
    await this.#useAlone()
    for (let meetings = 2; meetings > 0; meetings--) {
      await this.#meet()
      for (const name of ['source', 'destination'] as const) this.#kill(name, false)
    }
  }

  /** An attempt to move that is likely to be cut off somewhere. */
  async #move(): Promise<void> {
    const { plan, scheduler, course } = this.#world
    if (!(await this.#start())) return
    const link = this.#connect()
    const whole = plan.pick([30, 100, 400])
    const cancel = scheduler.in(course.below(whole), 'the link is lost', () => link.cut())
    await this.#talk(link)
    cancel()
    await pause(this.#world.machines.destination, 1000)
  }

  #connect(): Link {
    return this.#world.connect(this.#world.linkTraits())
  }

  /** @returns what the source was told: a code, or nothing when it is over for it */
  async #talk(link: Link): Promise<string | undefined> {
    const { source, destination } = this.#world.machines
    let code: string | undefined = 'PEER_LOST'
    const sending = this.#send(source, link).then((said) => {
      code = said
    })
    await Promise.all([during(source, sending), during(destination, this.#receive(destination, link))])
    return code
  }

  async #send(machine: Machine, link: Link): Promise<string | undefined> {
    const { sending, order } = this.#source!
    let code: string | undefined
    try {
      const connection = await openConnection(link.near, this.#role(machine, 'dialer'))
      this.#freshness.watchConnection(connection)
      try {
        const options = { ...this.#setup.options, ...(order ? { order } : {}) }
        const { acknowledged, reason } = await sending.send({ connection, name: 'disk', clock: machine, ...options })
        code = acknowledged ? undefined : (errorCode(reason) ?? 'PEER_LOST')
        await connection.close()
      } catch (error) {
        code = errorCode(error)
        demand('errors have codes', code !== undefined, text(error))
        await connection.close(error)
      }
    } catch (error) {
      if (error instanceof Violation) throw error
      code ??= errorCode(error)
    }
    machine.scheduler.note(`source: ${code ?? 'is needed no more'}`)
    return code
  }

  async #receive(machine: Machine, link: Link): Promise<void> {
    const { arriving } = this.#destination!
    try {
      const connection = await openConnection(link.far, this.#role(machine, 'listener'))
      try {
        await arriving.attach(connection)
        this.#watchArrival()
        await connection.rw.ended
      } catch (error) {
        await connection.close(error)
      }
    } catch (error) {
      machine.scheduler.note(`destination: failed with ${text(error)}`)
    }
  }

  #role<Role extends 'dialer' | 'listener'>(machine: Machine, role: Role) {
    const { secret } = this.#setup
    return { role, clock: machine, ...(secret ? { secret } : {}) }
  }

  readonly #watched = new WeakSet<DestinationProcess>()

  #watchArrival(): void {
    const destination = this.#destination!
    if (this.#watched.has(destination)) return
    this.#watched.add(destination)
    const note = (text: string) => destination.machine.scheduler.note(`destination: ${text}`)
    this.#freshness.watchDestination(destination.arriving.cache.remote, note)
  }

  /** Starts what does not run; false when that failed. */
  async #start(names: readonly SideName[] = ['source', 'destination']): Promise<boolean> {
    const { machines } = this.#world
    try {
      for (const name of names) {
        if (!machines[name].alive) this.#world.restart(name)
        const machine = machines[name]
        await during(machine, name === 'source' ? this.#startSource(machine) : this.#startDestination(machine))
      }
    } catch (error) {
      if (error instanceof Violation) throw error
      this.#world.scheduler.note(`a start failed with ${text(error)}`)
      demand('starts succeed', this.#world.met(...DISK_FAULTS), text(error))
      return false
    }
    return names.every((name) => machines[name].alive)
  }

  async #startSource(machine: Machine): Promise<void> {
    if (this.#source?.machine === machine) return
    const { geometry, scheduler } = this.#world
    const { volatile } = this.#setup
    const process = await SourceProcess.start(machine, this.#hardware.source, { geometry, volatile })
    if (!machine.alive) return
    this.#freshness.watchSource(process.tracker.remote, (text) => scheduler.note(`source ${text}`))
    this.#source = process
    this.#run('source', machine, process.disk)
  }

  async #startDestination(machine: Machine): Promise<void> {
    if (this.#destination?.machine === machine) return
    const { geometry } = this.#world
    const options = { geometry, reconnectMs: 0, olderCopy: false }
    const process = new DestinationProcess(machine, this.#hardware.destination, options)
    if (this.#destination) await process.arriving.open({ name: 'disk', ...geometry })
    if (!machine.alive) return
    this.#destination = process
    if (!this.#isForced) return
    demand(
      'what was taken over stays so',
      process.canWrite,
      'The disk was taken over, and cannot be used after a start.',
    )
    this.#run('destination', machine, process.arriving.disk)
  }

  #run(name: SideName, machine: Machine, disk: StorageProvider): void {
    const mayFail = () => this.#world.met(...DISK_FAULTS)
    const shadow = this.#shadows[name]
    this.#applications[name] = new Application({ machine, disk, shadow, mayFail }, this.#work[name])
  }

  #kill(name: SideName, power: boolean): void {
    const machine = this.#world.machines[name]
    if (!machine.alive) return
    machine.end()
    this.#work[name] = this.#applications[name]?.rest ?? this.#work[name]
    delete this.#applications[name]
    const hardware = this.#hardware[name]
    if (power) {
      hardware.disk.losePower()
      hardware.place!.losePower()
      hardware.boots++
    }
    if (name === 'destination' && !this.#isForced) return
    if (power) this.#shadows[name].losePower(name)
    else this.#shadows[name].kill(name)
  }

  /** Somebody says that the source is gone for good. @returns whether the disk is this side's by force */
  async #force(): Promise<boolean> {
    const { scheduler, geometry } = this.#world
    for (let attempt = 1; ; attempt++) {
      demand('it is taken over', attempt <= MOST_ATTEMPTS, 'No take-over comes to an end.')
      if (attempt > FAULTY_ATTEMPTS) this.#world.stopFaults()
      if (!(await this.#start(['destination']))) continue
      const { arriving, machine } = this.#destination!
      const found: { before?: Ownership | undefined; missing: number } = { missing: 0 }
      let failure: unknown
      const taking = async () => {
        await arriving.open({ name: 'disk', ...geometry })
        const before = arriving.journal.ownership
        const missing = arriving.cache.missingBlocks
        Object.assign(found, { before, missing })
        scheduler.note(`the disk is taken over by force, from ${before?.state ?? 'nothing'}, ${missing} blocks missing`)
        // At any moment of it: the record may be there before the caller hears of it.
        const isAllowed = missing === 0
        this.#isForced = isAllowed
        await arriving.takeOver()
        demand('whole or not at all', isAllowed, `${missing} blocks are missing in what is taken over.`)
      }
      await during(
        machine,
        taking().catch((error: unknown) => {
          failure = error
        }),
      )
      const { before, missing } = found
      if (failure instanceof Violation) throw failure
      if (failure === undefined && machine.alive) {
        this.#check(before!)
        return true
      }
      const isOwner = machine.alive && this.#destination!.canWrite
      this.#isForced = false
      const code = errorCode(failure)
      scheduler.note(`it was not taken over: ${machine.alive ? text(failure) : 'killed'}`)
      if (code === 'VERIFY_FAILED') demand('whole or not at all', missing > 0, text(failure))
      if (code === 'NOT_OWNER') {
        // What had begun before it was asked may have made it whole.
        const isWhole = arriving.isWhole
        // One that had been stored before the process was killed, or before its storage failed.
        const isDone: boolean = before?.forced === true
        demand('one owner', before === undefined || isWhole || isDone, text(failure))
        return isDone ? this.#found() : false
      }
      if (code === 'VERIFY_FAILED') {
        demand('one owner', !isOwner || before!.state === 'owner', 'What was not taken over can be written.')
        return false
      }
      demand('it is taken over', !machine.alive || this.#world.met(...DISK_FAULTS), text(failure))
      await pause(this.#world.machines.source, 1000)
    }
  }

  #found(): true {
    this.#isForced = true
    this.#check(this.#destination!.arriving.journal.ownership!)
    return true
  }

  /** What is taken over is durable, and as new as it was said to be; from here on there are two disks. */
  #check(before: Ownership): void {
    const { geometry } = this.#world
    const { journal, disk } = this.#destination!.arriving
    const { state, forced, epoch, missing } = journal.ownership!
    const isRecorded = state === 'owner' && forced === true && !missing && epoch >= before.epoch
    demand(
      'what is forced is recorded',
      isRecorded,
      `The record says ${state} of epoch ${epoch}, after ${before.epoch}.`,
    )
    demand('it is taken over', this.#destination!.canWrite, 'What was taken over cannot be written.')
    const { durable, bytes } = this.#hardware.destination.disk
    for (let offset = 0; offset < geometry.size; offset += geometry.blockSize) {
      const block = durable.subarray(offset, offset + geometry.blockSize)
      const wrong = this.#shadows.source.wrong(block, offset, this.#freshness.since(offset, block.length))
      demand('nothing is lost', wrong === undefined, `Taken over is what the source had not said: ${wrong}`)
    }
    demand('nothing is lost', same(bytes, durable), 'What is taken over is not durable.')
    this.#shadows.destination = new Shadow(bytes.slice())
    this.#run('destination', this.#destination!.machine, disk)
  }

  /** The new owner works while the old one, if it lives, does so too. */
  async #useAlone(): Promise<void> {
    const { course, scheduler } = this.#world
    await new Promise<void>((go) => scheduler.in(course.below(500), 'a while passes', go))
    this.#world.stopFaults()
    await this.#start(['destination'])
    await this.#checkAlone()
  }

  async #checkAlone(): Promise<void> {
    const { durable, bytes } = this.#hardware.destination.disk
    const shadow = this.#shadows.destination
    const wrong = shadow.wrong(this.#destination!.machine.alive ? bytes : durable, 0, shadow.now())
    demand('nothing is lost', wrong === undefined, `The disk that was taken over is wrong: ${wrong}`)
  }

  /** The source was not gone after all. */
  async #meet(): Promise<void> {
    await this.#start()
    const { source, destination } = this.#world.machines
    const { state = 'owner' } = this.#source!.journal!.ownership ?? {}
    this.#world.scheduler.note(`they meet, the source's record says ${state}`)
    const code = await this.#talk(this.#connect())
    await pause(source, 1000)
    if (state === 'owner') {
      demand('they stop when they meet', code === 'IN_DOUBT', `The source was told ${code ?? 'nothing'}.`)
      const gates = [this.#source!.tracker.local, this.#destination!.arriving.disk]
      // What was under way when they met ends, however slow a disk is.
      for (let waits = 0; waits < 60 && gates.some(({ state }) => state === 'draining'); waits++) {
        await pause(destination, 1000)
      }
      const [near, far] = [this.#hardware.source.disk, this.#hardware.destination.disk]
      const writtenAt = [near.writtenAt, far.writtenAt]
      await pause(destination, 1000)
      const isStill = near.writtenAt === writtenAt[0] && far.writtenAt === writtenAt[1]
      const haveStopped = gates.every(({ state }) => state === 'locked')
      demand('they stop when they meet', isStill && haveStopped, 'Two own the disk, know it, and one writes on.')
    } else {
      demand('it is given away', code === undefined, `The source had given it away, and is told ${code}.`)
      demand('one owner', !this.#source!.canWrite, 'The source can write what it gave away.')
      demand('one owner', this.#destination!.canWrite, 'The new owner cannot write.')
      await this.#applications.destination?.done
    }
    await this.#checkAlone()
  }
}
