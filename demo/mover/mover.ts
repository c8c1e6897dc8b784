import { BlockLegend } from '../block-legend.ts'
import { BlockMap } from '../block-map.ts'
import { formatBytes } from '../format.ts'
import { ThroughputPlot } from '../throughput-plot.ts'
import { FigureBoard } from './figures.ts'
import { SettingsForm } from './form.ts'
import { LeftoverNotice, noteRun, readRun } from './leftovers.ts'
import type { Figures, FromMover, Outcome, Remains, Step, ToMover } from './messages.ts'
import { OutcomePanel } from './outcome-panel.ts'
import {
  CHECKING,
  cancelled,
  failure,
  GETTING_READY,
  INVITATION,
  type Statement,
  stepStatement,
  verdict,
} from './sentences.ts'
import { keepSettings, loadSettings, type Settings } from './settings.ts'

/** Milliseconds between two pictures: fluent, and seldom enough that drawing costs the move nothing. */
const INTERVAL_MS = 66

/** The same for visitors who asked for less motion. */
const CALM_INTERVAL_MS = 500

/** Starts the section that moves a disk between two storages of this tab. The page draws; a worker does everything else. */
export function mountMover(section: HTMLElement): void {
  new Mover(section)
}

class Mover {
  readonly #part: <Element extends HTMLElement>(id: string) => Element
  readonly #form: SettingsForm
  readonly #map: BlockMap
  readonly #legend: BlockLegend
  readonly #plot: ThroughputPlot
  readonly #figures: FigureBoard
  readonly #panel: OutcomePanel
  readonly #leftover: LeftoverNotice
  readonly #worker: Worker
  #state: 'idle' | 'running' | 'deleting' = 'idle'
  #settings: Settings
  #reuse = false
  #step: Step | undefined
  #round = 0
  #isChecking = false

  constructor(section: HTMLElement) {
    this.#part = (id) => section.querySelector(`#${id}`)!
    this.#settings = loadSettings()
    this.#form = new SettingsForm(this.#part('mover-settings'), this.#settings, (settings) => this.#choose(settings))
    this.#map = new BlockMap(this.#part('map'))
    this.#legend = new BlockLegend(this.#part('legend'), this.#part('scale'))
    this.#plot = new ThroughputPlot(this.#part('plot'))
    this.#figures = new FigureBoard(this.#part('figures'))
    this.#panel = new OutcomePanel(this.#part('route'), this.#part('outcome'))
    this.#leftover = new LeftoverNotice(this.#part('interrupted'))
    this.#worker = new Worker(new URL('./mover.worker.ts', import.meta.url), { type: 'module', name: 'mover' })
    this.#worker.onmessage = ({ data }: MessageEvent<FromMover>) => this.#receive(data)
    this.#worker.onerror = (event) => this.#fail(event.message || 'The worker of this page did not start.')
    this.#listen()
    this.#panel.say(INVITATION)
    this.#showEmptyDisk()
    void this.#greet()
  }

  #listen(): void {
    this.#form.element.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#start(this.#form.read(), { reuse: false })
    })
    this.#part('cancel').addEventListener('click', () => this.#cancel())
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#cancel()
    })
    this.#part('delete').addEventListener('click', () => this.#delete())
    this.#part('discard').addEventListener('click', () => this.#delete())
    this.#part('reuse').addEventListener('click', () => {
      const { source, size } = this.#leftover.record!.settings
      this.#start({ ...this.#form.read(), source, size }, { reuse: true })
    })
  }

  /** What a visitor should know before the first run: storages that are missing, disks left behind. */
  async #greet(): Promise<void> {
    const hasOpfs = (await navigator.storage?.getDirectory?.().catch(() => undefined)) !== undefined
    if (!hasOpfs) {
      this.#form.withdraw('opfs')
      this.#settings = this.#form.read()
    }
    await this.#leftover.offerInterrupted()
    await this.#showSpace()
  }

  #choose(settings: Settings): void {
    this.#settings = settings
    keepSettings(settings)
    this.#showEmptyDisk()
    void this.#showSpace()
  }

  #start(settings: Settings, { reuse }: { reuse: boolean }): void {
    if (this.#state !== 'idle') return
    this.#state = 'running'
    this.#settings = settings
    this.#reuse = reuse
    this.#step = undefined
    this.#round = 0
    this.#leftover.hide()
    this.#figures.clear()
    this.#plot.clear()
    this.#panel.clear()
    this.#panel.say(GETTING_READY)
    this.#enable()
    const intervalMs = matchMedia('(prefers-reduced-motion: reduce)').matches ? CALM_INTERVAL_MS : INTERVAL_MS
    this.#send({ type: 'start', settings, reuse, intervalMs })
    this.#part('cancel').focus({ preventScroll: true })
    this.#panel.scrollIntoView()
  }

  /** Once both sides are equal and only compared, there is nothing left to call off. */
  get #cancellable(): boolean {
    return this.#state === 'running' && this.#step !== 'compare'
  }

  #cancel(): void {
    if (this.#cancellable) this.#send({ type: 'cancel' })
  }

  #delete(): void {
    if (this.#state !== 'idle') return
    this.#state = 'deleting'
    this.#enable()
    this.#send({ type: 'delete' })
  }

  #receive(message: FromMover): void {
    switch (message.type) {
      case 'step':
        this.#enter(message.step)
        break
      case 'snapshot':
        this.#showSnapshot(message.blocks, message.figures)
        break
      case 'compared':
        this.#panel.detail(`${Math.round(message.share * 100)} % of both sides read back.`)
        break
      case 'finished':
        this.#finish(message.outcome)
        break
      case 'cancelled':
        this.#panel.say(cancelled(message.remains))
        this.#keep(message.remains)
        break
      case 'failed':
        this.#panel.say(failure(message.error, message.remains))
        this.#keep(message.remains)
        break
      case 'warning':
        this.#panel.warn(message.message)
        break
      case 'deleted':
        noteRun(undefined)
        this.#leftover.hide()
        this.#rest()
    }
  }

  #enter(step: Step): void {
    this.#step = step
    this.#isChecking = false
    this.#panel.at(step)
    this.#enable()
    if (step === 'fill') noteRun({ settings: this.#settings, stage: this.#reuse ? 'moving' : 'filling' })
    if (step === 'full') noteRun({ settings: this.#settings, stage: 'moving' })
    this.#panel.say(this.#statement(step))
    if (step === 'full') void this.#showSpace()
  }

  #showSnapshot(blocks: Uint8Array, figures: Figures): void {
    this.#legend.show(this.#map.show(blocks), this.#map)
    this.#send({ type: 'recycle', blocks }, [blocks.buffer])
    if (this.#step === undefined || this.#step === 'fill') return
    this.#figures.show(figures, this.#settings.size)
    this.#plot.add({
      atMs: figures.elapsedMs,
      moved: figures.movedRate,
      dirtied: figures.dirtyRate,
      round: figures.round,
    })
    const isChecking = figures.isChecking && this.#step !== 'locked'
    if (this.#isChecking === isChecking && this.#round === figures.round) return
    this.#isChecking = isChecking
    this.#round = figures.round
    this.#panel.detail(isChecking ? CHECKING : this.#statement(this.#step).detail)
  }

  #statement(step: Step): Statement {
    return stepStatement(step, this.#settings, { round: this.#round, reuse: this.#reuse })
  }

  #finish(outcome: Outcome): void {
    noteRun({ settings: outcome.settings, stage: 'done' })
    this.#figures.finish(outcome)
    this.#panel.at('done')
    this.#panel.say(verdict(outcome))
    this.#panel.showRoots(outcome)
    this.#rest()
  }

  /** A run ended early: its source, where it is still there, can be moved again. */
  #keep(remains: Remains | undefined): void {
    const record = remains?.filled ? ({ settings: remains.settings, stage: 'cancelled' } as const) : undefined
    if (remains) {
      noteRun(record)
      // The copy is gone; what the map shows now is the source, as it stands.
      this.#legend.show(this.#map.showUnmoved(), this.#map)
    }
    if (record) this.#leftover.offer(record)
    this.#rest()
  }

  #fail(message: string): void {
    this.#panel.say(failure({ code: undefined, name: 'Error', message, context: {} }, undefined))
    this.#rest()
  }

  /** Nothing is running any more; the keyboard goes back to where the next run starts. */
  #rest(): void {
    const focused = document.activeElement
    this.#state = 'idle'
    this.#enable()
    if (focused === null || focused === document.body || focused === this.#part('cancel')) {
      this.#part('start').focus({ preventScroll: true })
    }
    void this.#showSpace()
  }

  #enable(): void {
    const idle = this.#state === 'idle'
    this.#form.lock(!idle)
    this.#part('cancel').hidden = !this.#cancellable
    for (const id of ['start', 'delete', 'discard', 'reuse']) this.#part<HTMLButtonElement>(id).disabled = !idle
  }

  /** What the map will look like, with as many blocks as were chosen. */
  #showEmptyDisk(): void {
    const { size, blockSize } = this.#settings
    this.#legend.show(this.#map.show(new Uint8Array(size / blockSize)), this.#map)
  }

  /** What the chosen disks need, what there is, and what the demo occupies now. */
  async #showSpace(): Promise<void> {
    const { quota = 0, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {}
    const { source, destination, size } = this.#settings
    const stored = [source, destination].filter((kind) => kind !== 'memory').length
    const space = this.#part('space')
    space.textContent =
      stored === 0
        ? `Needs ${formatBytes(2 * size)} of memory.`
        : `Needs up to ${formatBytes(stored * size)}; the browser gives this page ${formatBytes(quota)}.`
    space.classList.toggle('warning', stored * size > quota)
    const left = readRun() !== undefined
    this.#part('delete').hidden = !left
    this.#part('occupied').textContent = left
      ? `Demo disks occupy ${formatBytes(usage)} in your browser.`
      : 'No demo disk is kept in your browser.'
  }

  #send(message: ToMover, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer)
  }
}
