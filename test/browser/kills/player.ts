import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Page } from 'playwright'
import { type Chromium, launchChromium } from '../../support/chromium.ts'
import type { Note, Remains, Task } from './task.ts'

/** How a side ends: its tab is closed, without a word to it, or its browser gets SIGKILL. */
export type KillMeans = 'tab' | 'browser'

/** Longest wait for a side that says nothing new: on a loaded machine it may be slow, and goes on telling so. */
const PATIENCE_MS = 60_000

/** What a program tells that runs beside the move: no sign that the move goes on. */
const BESIDE: ReadonlySet<Note['type']> = new Set(['wrote', 'flushed'])

/** One side of a move, in a browser of its own, whose profile outlives it. */
export class Player {
  readonly notes: Note[] = []
  readonly #address: string
  #chromium: Chromium
  #page: Page | undefined
  #wake: () => void = () => {}
  /** What it said that is new, and when. */
  #told: { readonly atMs: number; readonly note: Note }[] = []

  private constructor(chromium: Chromium, address: string) {
    this.#chromium = chromium
    this.#address = address
  }

  static async start(address: string): Promise<Player> {
    return new Player(await launchChromium(), address)
  }

  /** A fresh place for the next move. */
  async wipe(): Promise<void> {
    const page = await this.#open()
    await page.evaluate(() => window.wipe())
    this.notes.length = 0
    this.#told = []
  }

  async run(task: Task): Promise<void> {
    const page = await this.#open()
    await page.evaluate((task) => window.run(task), task)
  }

  /** Ends what runs, and reads the disk. */
  async look(task: Task): Promise<Remains> {
    const page = await this.#open()
    return page.evaluate((task) => window.look(task), task)
  }

  /** Resolves with the first note of this kind from the `from`-th on. @throws what the side failed with */
  async heard<Type extends Note['type']>(type: Type, from = 0): Promise<Extract<Note, { type: Type }>> {
    const calledAt = performance.now()
    for (;;) {
      const since = this.notes.slice(from)
      const found = since.find((note) => note.type === type)
      if (found) return found as Extract<Note, { type: Type }>
      const failed = since.find((note) => note.type === 'failed')
      if (failed?.type === 'failed') throw new Error(failed.message)
      const until = Math.max(calledAt, this.#told.at(-1)?.atMs ?? 0) + PATIENCE_MS
      const woken = await new Promise<boolean>((resolve) => {
        const late = setTimeout(() => resolve(false), Math.max(0, until - performance.now()))
        this.#wake = () => {
          clearTimeout(late)
          resolve(true)
        }
      })
      if (!woken) throw new Error(`Waited in vain for "${type}", after ${this.told}`)
    }
  }

  /** What it said, in seconds of this process. */
  get told(): string {
    return this.#told.map(({ atMs, note }) => `${(atMs / 1000).toFixed(1)} ${JSON.stringify(note)}`).join(', ')
  }

  async kill(means: KillMeans): Promise<void> {
    if (means === 'tab') {
      await this.#page?.close({ runBeforeUnload: false })
      this.#page = undefined
      return
    }
    const { profile } = this.#chromium
    process.kill(browserOf(profile), 'SIGKILL')
    await this.#chromium.context.close().catch(() => {}) // It is gone.
    this.#page = undefined
    this.#chromium = { ...(await launchChromium({ profile })), profile }
  }

  async close(): Promise<void> {
    const { profile } = this.#chromium
    await this.#chromium.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }

  async #open(): Promise<Page> {
    await this.#page?.close()
    const page = await this.#chromium.context.newPage()
    this.#page = page
    await page.exposeFunction('hear', (note: Note) => {
      if (this.#page !== page) return
      this.notes.push(note)
      if (!BESIDE.has(note.type)) this.#told.push({ atMs: performance.now(), note })
      this.#wake()
    })
    await page.goto(this.#address)
    await page.waitForFunction(() => window.look !== undefined)
    return page
  }
}

/** The process of the browser with this profile; its children end with it. */
function browserOf(profile: string): number {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    let line: string
    try {
      line = readFileSync(`/proc/${entry}/cmdline`, 'utf8')
    } catch {
      continue // It has ended meanwhile.
    }
    const words = line.split('\0')
    if (words.includes(`--user-data-dir=${profile}`) && !words.some((word) => word.startsWith('--type='))) {
      return Number(entry)
    }
  }
  throw new Error(`No browser runs on ${profile}`)
}
