import type { BlockCounts } from '../block-byte.ts'
import { BlockMap } from '../block-map.ts'
import { formatBytes, formatCount, formatPlural } from '../format.ts'
import { ThroughputPlot } from '../throughput-plot.ts'
import { FigureBoard } from './figures.ts'
import { SettingsForm } from './form.ts'
import { disksInUse, noteRun, readRun } from './leftovers.ts'
import type { Figures, FromMover, Outcome, Remains, Step, ToMover } from './messages.ts'
import { cancelled, failure, INVITATION, type Statement, stepStatement, verdict } from './sentences.ts'
import { keepSettings, loadSettings, type Settings, STORAGE_NAMES } from './settings.ts'

const STEPS: readonly Step[] = ['fill', 'full', 'dirty', 'locked', 'compare']

/** Milliseconds between two pictures: fluent, and seldom enough that drawing costs the move nothing. */
const INTERVAL_MS = 66

/** The same for visitors who asked for less motion. */
const CALM_INTERVAL_MS = 500

const LEGEND = [
  ['empty', 'empty'],
  ['waiting', 'not yet'],
  ['moving', 'moving'],
  ['moved', 'moved'],
  ['dirty', 'dirty'],
  ['hot', 'just written'],
] as const satisfies readonly (readonly [keyof BlockCounts, string])[]

/** Starts the section that moves a disk between two storages of this tab. The page draws; a worker does everything else. */
export function mountMover(section: HTMLElement): void {
  new Mover(section)
}

class Mover {
  readonly #form: SettingsForm
  readonly #map: BlockMap
  readonly #plot: ThroughputPlot
  readonly #figures: FigureBoard
  readonly #worker: Worker
  readonly #part: <Element extends HTMLElement>(id: string) => Element
  readonly #counts = new Map<keyof BlockCounts, HTMLElement>()
  #state: 'idle' | 'running' | 'deleting' = 'idle'
  #settings: Settings
  #step: Step | undefined
  #round = 0
  #warning = ''

  constructor(section: HTMLElement) {
    this.#part = (id) => section.querySelector(`#${id}`)!
    this.#settings = loadSettings()
    this.#form = new SettingsForm(this.#part('mover-settings'), this.#settings, (settings) => {
      this.#settings = settings
      keepSettings(settings)
      void this.#showSpace()
    })
    this.#map = new BlockMap(this.#part('map'))
    this.#plot = new ThroughputPlot(this.#part('plot'))
    this.#figures = new FigureBoard(this.#part('figures'))
    this.#fillLegend()
    this.#worker = new Worker(new URL('./mover.worker.ts', import.meta.url), { type: 'module', name: 'mover' })
    this.#worker.onmessage = ({ data }: MessageEvent<FromMover>) => this.#receive(data)
    this.#worker.onerror = (event) => this.#fail(event.message || 'The worker of this page did not start.')
    this.#listen()
    this.#say(INVITATION)
    this.#map.show(new Uint8Array(this.#settings.size / this.#settings.blockSize))
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
      const run = readRun()
      if (run)
        this.#start({ ...this.#form.read(), source: run.settings.source, size: run.settings.size }, { reuse: true })
    })
  }

  /** What a visitor should know before the first run: storages that are missing, disks left behind. */
  async #greet(): Promise<void> {
    const missing = (await navigator.storage?.getDirectory?.().catch(() => undefined)) === undefined
    if (missing) this.#form.withdraw('opfs')
    const run = readRun()
    if (run && run.stage !== 'done' && !(await disksInUse())) this.#offerLeftover(run.stage, run.settings)
    await this.#showSpace()
  }

  #offerLeftover(stage: 'filling' | 'moving' | 'cancelled', settings: Settings): void {
    const reusable = stage !== 'filling' && (settings.source !== 'memory' || stage === 'cancelled')
    const disk = `${formatBytes(settings.size)} in ${STORAGE_NAMES[settings.source]}`
    this.#part('interrupted').querySelector('p')!.textContent = reusable
      ? `The source disk of ${stage === 'cancelled' ? 'the cancelled' : 'an interrupted'} run is still here: ${disk}. You can move it again, or discard it.`
      : `A run was interrupted and left an unfinished disk behind: ${disk}. It can only be discarded.`
    this.#part('reuse').hidden = !reusable
    this.#part('interrupted').hidden = false
  }

  #start(settings: Settings, { reuse }: { reuse: boolean }): void {
    if (this.#state !== 'idle') return
    this.#state = 'running'
    this.#settings = settings
    this.#step = undefined
    this.#round = 0
    this.#warning = ''
    this.#part('interrupted').hidden = true
    this.#figures.clear()
    this.#plot.clear()
    this.#showStep(undefined)
    this.#showRoots(undefined)
    this.#enable()
    const intervalMs = matchMedia('(prefers-reduced-motion: reduce)').matches ? CALM_INTERVAL_MS : INTERVAL_MS
    this.#send({ type: 'start', settings, reuse, intervalMs })
    this.#part('cancel').focus({ preventScroll: true })
    if (this.#part('outcome').getBoundingClientRect().top > innerHeight)
      this.#part('route').scrollIntoView({ block: 'start' })
  }

  /** Once both sides are equal and only compared, there is nothing left to call off. */
  get #cancellable(): boolean {
    return this.#state === 'running' && this.#step !== 'compare'
  }

  #cancel(): void {
    if (!this.#cancellable) return
    this.#send({ type: 'cancel' })
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
        this.#part('detail').textContent = `${Math.round(message.share * 100)} % of both sides read back.`
        break
      case 'finished':
        this.#finish(message.outcome)
        break
      case 'cancelled':
        this.#say(cancelled(message.remains))
        this.#keep(message.remains)
        break
      case 'failed':
        this.#say(failure(message.error, message.remains))
        this.#keep(message.remains)
        break
      case 'warning':
        this.#warning = message.message
        break
      case 'deleted':
        noteRun(undefined)
        this.#part('interrupted').hidden = true
        this.#rest()
    }
  }

  /** A run ended early: its source, where it is still there, can be moved again. */
  #keep(remains: Remains | undefined): void {
    if (remains) noteRun(remains.filled ? { settings: remains.settings, stage: 'cancelled' } : undefined)
    if (remains?.filled) this.#offerLeftover('cancelled', remains.settings)
    this.#rest()
  }

  #enter(step: Step): void {
    this.#step = step
    this.#showStep(step)
    this.#enable()
    if (step === 'fill') noteRun({ settings: this.#settings, stage: 'filling' })
    if (step === 'full') noteRun({ settings: this.#settings, stage: 'moving' })
    this.#say(stepStatement(step, this.#settings, this.#round))
  }

  #showSnapshot(blocks: Uint8Array, figures: Figures): void {
    const total = blocks.length
    const counts = this.#map.show(blocks)
    this.#send({ type: 'recycle', blocks }, [blocks.buffer])
    for (const [key, count] of this.#counts) count.textContent = formatCount(counts[key])
    const { blocksPerCell } = this.#map
    this.#part('scale').textContent =
      blocksPerCell > 1 ? `1 cell = ${blocksPerCell} blocks` : formatPlural(total, 'block')
    if (this.#step === 'fill') return
    this.#figures.show(figures, this.#settings.size)
    if (this.#step === 'compare') return
    this.#plot.add({
      atMs: figures.elapsedMs,
      moved: figures.movedRate,
      dirtied: figures.dirtyRate,
      round: figures.round,
    })
    if (this.#step !== 'dirty' || this.#round === figures.round) return
    this.#round = figures.round
    this.#say(stepStatement('dirty', this.#settings, figures.round))
  }

  #finish(outcome: Outcome): void {
    noteRun({ settings: outcome.settings, stage: 'done' })
    this.#figures.finish(outcome)
    this.#showStep('done')
    this.#say(verdict(outcome))
    this.#showRoots(outcome)
    this.#rest()
  }

  #fail(message: string): void {
    this.#say(failure({ code: undefined, name: 'Error', message, context: {} }, undefined))
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
    // The button that has the focus is disabled after the other one took it, or the focus would fall back to the page.
    this.#part<HTMLButtonElement>('cancel').disabled = !this.#cancellable
    for (const id of ['start', 'delete', 'discard', 'reuse']) this.#part<HTMLButtonElement>(id).disabled = !idle
  }

  #say({ tone, sentence, detail }: Statement): void {
    this.#part('outcome').dataset.kind = tone
    this.#part('sentence').textContent = sentence
    this.#part('detail').textContent = this.#warning === '' ? detail : `${detail} ${this.#warning}`
  }

  #showStep(current: Step | 'done' | undefined): void {
    const at = current === 'done' ? STEPS.length : current === undefined ? -1 : STEPS.indexOf(current)
    for (const item of this.#part('route').querySelectorAll<HTMLElement>('[data-step]')) {
      const index = STEPS.indexOf(item.dataset.step as Step)
      item.toggleAttribute('data-past', index < at)
      if (index === at) item.setAttribute('aria-current', 'step')
      else item.removeAttribute('aria-current')
    }
  }

  #showRoots(outcome: Outcome | undefined): void {
    this.#part('roots').hidden = outcome === undefined
    if (!outcome) return
    this.#part('root-source-label').textContent = `Source, ${STORAGE_NAMES[outcome.settings.source]}`
    this.#part('root-source').textContent = outcome.sourceRoot
    this.#part('root-destination-label').textContent = `Destination, ${STORAGE_NAMES[outcome.settings.destination]}`
    this.#part('root-destination').textContent = outcome.destinationRoot
  }

  /** What the chosen disks need, what there is, and what the demo occupies now. */
  async #showSpace(): Promise<void> {
    const { quota = 0, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {}
    const { source, destination, size } = this.#settings
    const stored = [source, destination].filter((kind) => kind !== 'memory').length
    const space = this.#part('space')
    const tight = stored * size > quota
    space.textContent =
      stored === 0
        ? `Needs ${formatBytes(2 * size)} of memory.`
        : `Needs up to ${formatBytes(stored * size)}; the browser gives this page ${formatBytes(quota)}.`
    space.classList.toggle('warning', tight)
    const left = readRun() !== undefined || usage > 2 ** 20
    this.#part('delete').hidden = !left
    this.#part('occupied').textContent = left
      ? `Demo disks occupy ${formatBytes(usage)} in your browser.`
      : 'No demo disk is kept in your browser.'
  }

  #fillLegend(): void {
    for (const [key, name] of LEGEND) {
      const item = document.createElement('li')
      const swatch = document.createElement('i')
      swatch.className = key === 'hot' ? 'heat' : key
      const count = document.createElement('span')
      count.className = 'count'
      count.dataset.count = key
      this.#counts.set(key, count)
      item.append(swatch, name, count)
      this.#part('legend').append(item)
    }
  }

  #send(message: ToMover, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer)
  }
}
