import { seededRandom } from '../../src/async/random.ts'
import type { Application, Geometry } from './application.ts'
import type { Choices } from './choices.ts'
import { type FaultKind, faultText, type PlannedFault, planFaults } from './faults.ts'
import { type DiskFault, type DiskTraits, HardwareDisk } from './hardware-disk.ts'
import { Link, type LinkTraits } from './link.ts'
import { Machine } from './machine.ts'
import type { Scheduler } from './scheduler.ts'
import { Shadow } from './shadow.ts'
import { Violation } from './violation.ts'

/** Who plays: the side that owns the disk at first, and the one that is to own it. */
export type SideName = 'source' | 'destination'

/** Longest time a run may take: a peer that says nothing is given up after minutes, once for each fault. */
export const LONGEST_RUN_MS = 4 * 3_600_000

/** What one run is made of, and what may go wrong with it. Scenarios say what happens; the world says what it happens to. */
export class World {
  readonly scheduler: Scheduler
  /** How the run is set up. */
  readonly plan: Choices
  /** What happens on its course. */
  readonly course: Choices
  readonly geometry: Geometry
  readonly machines: Record<SideName, Machine>
  readonly applications: Application[] = []
  /** Faults that have happened, by kind. */
  readonly happened = new Set<FaultKind>()
  /** Sides whose storage has said that it stored what it had not. */
  readonly lies: Record<SideName, boolean> = { source: false, destination: false }
  link: Link | undefined
  readonly #links: Link[] = []
  /** What else a scenario does when a fault is due: kills, aborts. True when it was for it. */
  onFault: ((fault: PlannedFault) => void) | undefined
  readonly disks: Partial<Record<SideName, HardwareDisk>> = {}
  readonly places: Partial<Record<SideName, HardwareDisk>> = {}
  #faults: PlannedFault[] = []
  readonly #met = new Set<FaultKind>()
  /** Something goes wrong in this attempt, or may. */
  #isTroubled = false
  readonly #everyMachine: Machine[] = []
  /** Takes back what goes wrong in a moment. */
  readonly #coming = new Set<() => void>()

  constructor(scheduler: Scheduler, choices: { plan: Choices; course: Choices }) {
    this.scheduler = scheduler
    this.plan = choices.plan
    this.course = choices.course
    const { plan } = this
    const blockSize = plan.pick([512, 1024, 4096, 512])
    const blocks = plan.pick([4, 8, 16, 40, 1, 5, 3, 8])
    const tail = plan.pick([0, 0, 64, 500, 100])
    this.geometry = { blockSize, size: Math.max(blocks * blockSize - tail, tail === 500 ? 12 : 64) }
    this.machines = { source: this.start('source'), destination: this.start('destination') }
  }

  /** A fresh process of a side. */
  start(name: SideName): Machine {
    const machine = new Machine(name, this.scheduler)
    this.#everyMachine.push(machine)
    return machine
  }

  restart(name: SideName): Machine {
    this.machines[name].end()
    const machine = this.start(name)
    this.machines[name] = machine
    this.scheduler.note(`${name} is started again`)
    return machine
  }

  /** Decides which faults there will be, of those that a scenario knows. */
  planFaults(kinds: readonly FaultKind[], { many = false } = {}): void {
    // Few kinds at a time: a run full of cuts never comes to the interesting places of a full disk.
    const allowed = many ? kinds : kinds.filter(() => this.plan.below(3) > 0)
    this.#faults = planFaults(this.plan, allowed, { fromStep: this.scheduler.steps, many })
    for (const fault of this.#faults) this.scheduler.note(`planned: ${faultText(fault)}`)
  }

  /** Whether all faults have been put into the world; those of storages may still wait to be met. */
  get faultsAreOver(): boolean {
    return this.#faults.length === 0
  }

  /** No fault happens any more: what is left must come to a good end. */
  stopFaults(): void {
    this.#faults = []
    for (const disk of [...Object.values(this.disks), ...Object.values(this.places)]) {
      disk.faults.length = 0
      disk.onDone = undefined
    }
    for (const takeBack of this.#coming) takeBack()
    this.#coming.clear()
  }

  /** Goes wrong when what happens now is over, unless faults are stopped before. */
  strikeSoon(label: string, strike: () => void): void {
    const takeBack = this.scheduler.in(0, label, () => {
      this.#coming.delete(takeBack)
      strike()
    })
    this.#coming.add(takeBack)
  }

  /** Whether a fault of one of these kinds has happened, since things began anew. */
  met(...kinds: readonly FaultKind[]): boolean {
    return kinds.some((kind) => this.#met.has(kind))
  }

  /** Whether anything has happened but that something was slow. */
  get hasMetFaults(): boolean {
    return [...this.#met].some((kind) => kind !== 'slow')
  }

  /** From here on only what happens now, or waits in a storage to be met, excuses a failure. */
  beginAttempt(): void {
    const all = [...Object.values(this.disks), ...Object.values(this.places)]
    const isFaulty = all.some(({ faults, onDone }) => onDone || faults.some(({ kind }) => kind !== 'slow'))
    this.#isTroubled = isFaulty || this.#coming.size > 0
  }

  /** Whether anything has gone wrong since the attempt began, but that something was slow. */
  get isTroubled(): boolean {
    return this.#isTroubled
  }

  /** What has happened so far troubles nobody any more. */
  beginAnew(): void {
    this.stopFaults()
    this.#met.clear()
  }

  /** To be called after each step. */
  applyFaults(): void {
    while (this.#faults.length > 0 && this.#faults[0]!.step <= this.scheduler.steps) this.#apply(this.#faults.shift()!)
  }

  /** A disk of this run's kind; the source's is filled by chance. */
  disk(name: SideName, traits: DiskTraits): HardwareDisk {
    const disk = new HardwareDisk(`disk of ${name}`, this.geometry.size, { choices: this.course, traits })
    this.disks[name] = disk
    return disk
  }

  /** Where the journal of a side lies. */
  place(name: SideName, size: number, traits: DiskTraits): HardwareDisk {
    const place = new HardwareDisk(`journal of ${name}`, size, {
      choices: this.course,
      traits: { ...traits, synchronous: false },
    })
    this.places[name] = place
    return place
  }

  /** Content for the source, some blocks of it zero; and the shadow that knows it. */
  fill(disk: HardwareDisk): Shadow {
    const { size, blockSize } = this.geometry
    const how = this.plan.pick(['everywhere', 'some', 'nowhere'] as const)
    for (let at = 0; at < size; at += blockSize) {
      if (how === 'nowhere' || (how === 'some' && this.plan.below(2) === 0)) continue
      disk.fill(NOISE.subarray(at, Math.min(at + blockSize, size)), at)
    }
    return new Shadow(disk.bytes.slice())
  }

  /** What somebody left on a disk that is going to be written over. */
  fillNoise(disk: HardwareDisk): void {
    if (this.plan.below(2) === 0) return
    disk.fill(NOISE.subarray(NOISE.length - this.geometry.size), 0)
  }

  /** Content of a backup of `newer`: of its blocks some are the same, some another's, some nothing, some only a little different. */
  fillOlder(disk: HardwareDisk, newer: HardwareDisk): void {
    const { size, blockSize } = this.geometry
    for (let at = 0; at < size; at += blockSize) {
      const end = Math.min(at + blockSize, size)
      const how = this.plan.pick(['same', 'same', 'other', 'none', 'a byte'] as const)
      if (how === 'none') continue
      const block = how === 'other' ? NOISE.subarray(size - end, size - at) : newer.bytes.subarray(at, end)
      disk.fill(block, at)
      if (how === 'a byte') disk.fill(Uint8Array.of(1 + (block.at(-1)! % 250)), end - 1)
    }
  }

  diskTraits(options: { synchronous?: boolean } = {}): DiskTraits {
    const { plan } = this
    return {
      latencyMs: plan.pick([2, 0, 1, 10]),
      zero: plan.below(2) === 0,
      sparse: plan.below(3) === 2,
      synchronous: (options.synchronous ?? true) && plan.below(4) === 3,
    }
  }

  linkTraits(): LinkTraits {
    const { plan } = this
    return {
      latencyMs: plan.pick([1, 0, 5, 40]),
      bufferBytes: plan.pick([65_536, 16_384, 2000]),
      cuts: plan.below(2) === 1,
      lanes: plan.pick([1, 2]),
    }
  }

  connect(
    traits: LinkTraits,
    { from = this.machines.source, to = this.machines.destination }: { from?: Machine; to?: Machine } = {},
  ): Link {
    const link = new Link(from, to, { scheduler: this.scheduler, choices: this.course, traits })
    this.link = link
    this.#links.push(link)
    return link
  }

  /** Ends all that still runs, so that the next run finds the realm as this one did. */
  async end(): Promise<void> {
    this.scheduler.watch = undefined
    for (let turn = 0; turn < 3; turn++) {
      for (const machine of this.#everyMachine) machine.end()
      for (const link of this.#links) for (const end of [...link.near, ...link.far]) end.lose('The run is over.')
      await this.scheduler.settle()
    }
  }

  #apply(fault: PlannedFault): void {
    const { kind, side, force } = fault
    this.scheduler.note(`FAULT ${faultText(fault)}`)
    this.happened.add(kind)
    this.#met.add(kind)
    if (kind !== 'slow' && kind !== 'hide') this.#isTroubled = true
    if (kind === 'cut') this.link?.cut()
    else if (kind === 'stall') this.link?.stall(10 * 4 ** force)
    else if (kind === 'half-open') {
      if (this.link) this.link.silent = true
    } else if (kind === 'flip') {
      if (this.link) this.link.flips += 1
    } else if (kind === 'gap') {
      if (this.link) this.link.gaps += 1
    } else if (kind === 'hide') this.machines[side].visibility = force < 4 ? 'hidden' : 'hidden for long'
    else if (DISK_FAULTS.has(kind)) {
      if (kind === 'corrupt write' || kind === 'lost write') this.lies[side] = true
      const disk = force % 2 === 1 && this.places[side] ? this.places[side] : this.disks[side]
      disk?.faults.push({ kind: kind as DiskFault['kind'], calls: force === 7 ? 40 : 1 + (force % 4) })
    } else this.onFault?.(fault)
  }
}

const DISK_FAULTS: ReadonlySet<FaultKind> = new Set<DiskFault['kind']>([
  'read fails',
  'write fails',
  'flush fails',
  'short read',
  'short write',
  'torn write',
  'full',
  'slow',
  'corrupt write',
  'lost write',
])

/** Bytes no write writes, without zeroes. */
const NOISE = (() => {
  const random = seededRandom(7)
  return Uint8Array.from({ length: 64 * 4096 }, () => 1 + Math.floor(random() * 255))
})()

/** @throws Violation */
export function demand(law: string, holds: boolean, what: string): void {
  if (!holds) throw new Violation(law, what)
}
