import { execFileSync } from 'node:child_process'
import { mkdir, open, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { systemClock } from '../../src/async/clock.ts'
import type { Random } from '../../src/async/random.ts'
import { readRecord } from '../../src/cli/journal-beside.ts'
import { bytesHere, MovingCommands } from './moving-commands.ts'
import { NbdWriter } from './nbd-writer.ts'
import type { RunningCommand } from './running-command.ts'
import type { SlowLink } from './slow-link.ts'
import { PAGE_BYTES, pageContent, WriteLedger } from './write-ledger.ts'

/** When a side is killed: so long after the source has said this for the first time since the last kill. */
export interface Kill {
  readonly side: 'source' | 'destination'
  /** `copy`: within the first pass. */
  readonly phase: 'copy' | 'round' | 'locked' | 'rest'
  readonly delayMs: number
}

/** One move with kills. */
export interface KillPlan {
  readonly strategy: 'pre-copy' | 'post-copy' | 'auto'
  readonly kills: readonly Kill[]
  /** Clients write at the source until it is given away, and at the destination as soon as they may. */
  readonly isWritten: boolean
  readonly megabytes: number
  readonly bytesPerSecond: number
}

/** How it went. */
export interface KillReport {
  /** What is wrong; empty if nothing is. */
  readonly wrong: readonly string[]
  readonly kills: number
  /** Bytes that went from the source beyond the disk and what was written to it. */
  readonly bytesAgain: number
  readonly writes: number
  readonly durationMs: number
}

const BLOCK = 16384
/** A move that takes longer hangs. */
const LONGEST_MS = 60_000

/** Moves a disk between two processes, kills them on the way, starts them again, and looks whether anything was lost. */
export async function runWithKills(parent: string, plan: KillPlan, random: Random): Promise<KillReport> {
  const folder = join(parent, `run-${Math.floor(random() * 2 ** 32).toString(16)}`)
  await mkdir(folder)
  const run = new KillRun(folder, plan, random)
  try {
    return await run.run()
  } finally {
    await run.end()
    await rm(folder, { recursive: true, force: true })
  }
}

class KillRun {
  readonly #folder: string
  readonly #plan: KillPlan
  readonly #random: Random
  readonly #commands = new MovingCommands()
  readonly #ledger: WriteLedger
  readonly #wrong: string[] = []
  readonly #source: string
  readonly #destination: string
  #link!: SlowLink
  #port = 0
  #serve!: RunningCommand
  #pull!: RunningCommand
  #near: NbdWriter | undefined
  #far: NbdWriter | undefined
  #kills = 0

  constructor(folder: string, plan: KillPlan, random: Random) {
    this.#folder = folder
    this.#plan = plan
    this.#random = random
    this.#ledger = new WriteLedger((plan.megabytes * 2 ** 20) / PAGE_BYTES)
    this.#source = join(folder, 'near.img')
    this.#destination = join(folder, 'far.img')
  }

  async run(): Promise<KillReport> {
    const startedAt = systemClock.now()
    await this.#fill()
    this.#port = await freePort()
    await this.#startServe()
    const slowed = await this.#commands.slowed(`tcp://127.0.0.1:${this.#port}`, this.#plan.bytesPerSecond)
    this.#link = slowed.link
    this.#startPull(slowed.url, [])
    if (this.#plan.isWritten) {
      this.#near = new NbdWriter(join(this.#folder, 'near'), this.#ledger, this.#random, 10)
      this.#far = new NbdWriter(join(this.#folder, 'far'), this.#ledger, this.#random, 10)
    }
    for (const kill of this.#plan.kills) if (!(await this.#strike(kill, slowed.url))) break
    await this.#finish()
    return this.#judge(systemClock.now() - startedAt)
  }

  async end(): Promise<void> {
    for (const writer of [this.#near, this.#far]) writer?.cut()
    await this.#commands.end()
  }

  /** False when the move was over before. */
  async #strike(kill: Kill, url: string): Promise<boolean> {
    const isDue = await this.#due(kill.phase)
    if (!isDue) return false
    await systemClock.sleep(kill.delayMs)
    const victim = kill.side === 'source' ? this.#serve : this.#pull
    victim.kill('SIGKILL')
    const code = await victim.ended
    // It had ended in order, and is not missed.
    if (code === 0) return false
    this.#kills++
    await this.#lookForTwoOwners()
    if (kill.side === 'destination') this.#startPull(url, ['--resume'])
    else if (!(await this.#isGone())) await this.#startServe()
    return true
  }

  /** Waits until the move is in this phase, or in a later one; false when it is over. */
  async #due(phase: Kill['phase']): Promise<boolean> {
    const order = ['copy', 'round', 'locked', 'rest']
    const reached = () => {
      for (const { event, phase: said } of this.#serve.events) {
        if (event === 'result') return 'over'
        if (event !== 'progress') continue
        const found = said === 'move' ? 'copy' : String(said).startsWith('round') ? 'round' : String(said)
        const isFull = found === 'copy' && bytesHere(this.#pull) > 0
        if (order.indexOf(found) >= order.indexOf(phase) && (found !== 'copy' || isFull)) return 'due'
      }
      return undefined
    }
    const deadline = systemClock.now() + LONGEST_MS / 3
    while (systemClock.now() < deadline) {
      const state = reached()
      if (state) return state === 'due'
      await systemClock.sleep(2)
    }
    return false
  }

  async #finish(): Promise<void> {
    const whole = this.#pull.event('result').then(() => 'whole' as const)
    whole.catch(() => {}) // Told below.
    const late = systemClock.sleep(LONGEST_MS).then(() => 'late' as const)
    const ended = await Promise.race([whole, late]).catch((error: Error) => error.message)
    if (ended !== 'whole') {
      this.#wrong.push(
        `the pull ended so: ${ended}; serve says ${this.#serve.stderr} ${JSON.stringify(this.#serve.last)}`,
      )
      return
    }
    if ((await this.#isGone()) === false || this.#serve.last?.event !== 'result') {
      const code = await Promise.race([this.#serve.ended, systemClock.sleep(15_000).then(() => 'late')])
      if (code !== 0 && !(await this.#isGone())) this.#wrong.push(`serve ended with ${code}: ${this.#serve.stderr}`)
    }
    this.#near?.cut()
    if (this.#far) {
      // Some more that only the new owner has.
      const before = this.#far.batches
      for (let turn = 0; this.#far.batches < before + 3 && turn < 500; turn++) await systemClock.sleep(10)
      if (this.#far.batches < before + 3) this.#wrong.push('nobody can write at the new owner')
      await this.#far.stop()
    }
    this.#pull.kill('SIGINT')
    const code = await this.#pull.ended
    if (code !== 0) this.#wrong.push(`pull ended with ${code}: ${this.#pull.stderr}`)
  }

  async #judge(durationMs: number): Promise<KillReport> {
    if (this.#wrong.length === 0) {
      await this.#lookForTwoOwners()
      const [near, far] = [await readRecord(this.#source), await readRecord(this.#destination)]
      if (near?.ownership.state !== 'gone') this.#wrong.push(`the source is ${near?.ownership.state}`)
      if (far?.ownership.state !== 'owner' || far.ownership.missing) this.#wrong.push('the destination does not own it')
      this.#wrong.push(...(await this.#ledger.check(this.#destination)).slice(0, 5))
      if (!this.#plan.isWritten) this.#compare()
    }
    const size = this.#plan.megabytes * 2 ** 20
    const written = this.#ledger.issued * BLOCK
    return {
      wrong: this.#wrong,
      kills: this.#kills,
      bytesAgain: Math.max(0, this.#link.carried - size - written),
      writes: this.#ledger.issued,
      durationMs,
    }
  }

  /** Both copies are equal where nobody writes, also to somebody else's eyes. */
  #compare(): void {
    try {
      const images = ['-f', 'raw', '-F', 'raw', this.#source, this.#destination]
      execFileSync('qemu-img', ['compare', ...images], { stdio: 'pipe' })
    } catch (error) {
      this.#wrong.push(`qemu-img: ${(error as Error).message}`)
    }
  }

  async #lookForTwoOwners(): Promise<void> {
    const records = await Promise.all([readRecord(this.#source), readRecord(this.#destination)])
    // A source that was never asked owns its disk without having said so.
    if (records[1]?.ownership.state === 'owner' && (records[0]?.ownership.state ?? 'owner') === 'owner') {
      this.#wrong.push('both sides own the disk')
    }
  }

  async #isGone(): Promise<boolean> {
    return (await readRecord(this.#source))?.ownership.state === 'gone'
  }

  async #startServe(): Promise<void> {
    const args = ['--nbd', `unix:${join(this.#folder, 'near')}`, '--block-size', String(BLOCK)]
    const strategy = ['--strategy', this.#plan.strategy]
    const url = `tcp://127.0.0.1:${this.#port}`
    this.#serve = (await this.#commands.serve(this.#source, [...args, ...strategy], url)).serve
  }

  #startPull(url: string, args: readonly string[]): void {
    const door = ['--nbd', `unix:${join(this.#folder, 'far')}`, '--retry', '40']
    this.#pull = this.#commands.start(['pull', url, this.#destination, ...door, ...args])
  }

  async #fill(): Promise<void> {
    const file = await open(this.#source, 'w')
    for (let page = 0; page < this.#ledger.pages; page += 256) {
      const pages = Array.from({ length: 256 }, (_, index) => pageContent(page + index, 0))
      await file.writev(pages)
    }
    await file.close()
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}
