import { formatCount, formatDuration, formatRate } from '../format.ts'
import type { Figures, Outcome } from './messages.ts'

const NAMES = {
  moved: 'moved per second',
  dirtied: 'made dirty per second',
  dirty: 'dirty blocks',
  round: 'round',
  predicted: 'predicted pause',
  actual: 'actual pause',
  share: 'sent over disk size',
  left: 'time left',
} as const

const NOTHING = '–'

/** The live figures of a move. */
export class FigureBoard {
  readonly #cells: Record<keyof typeof NAMES, HTMLElement>

  constructor(list: HTMLElement) {
    const cells: Partial<Record<keyof typeof NAMES, HTMLElement>> = {}
    for (const [key, name] of Object.entries(NAMES)) {
      const group = document.createElement('div')
      const term = document.createElement('dt')
      term.textContent = name
      const value = document.createElement('dd')
      value.dataset.figure = key
      value.textContent = NOTHING
      group.append(term, value)
      list.append(group)
      cells[key as keyof typeof NAMES] = value
    }
    this.#cells = cells as Record<keyof typeof NAMES, HTMLElement>
  }

  clear(): void {
    for (const cell of Object.values(this.#cells)) cell.textContent = NOTHING
  }

  show(figures: Figures, size: number): void {
    this.#put('moved', formatRate(figures.movedRate))
    this.#put('dirtied', formatRate(figures.dirtyRate))
    this.#put('dirty', formatCount(figures.dirtyBlocks))
    this.#put('round', formatCount(figures.round))
    this.#put('predicted', figures.predictedPauseMs === undefined ? NOTHING : formatDuration(figures.predictedPauseMs))
    this.#put('share', share(figures.bytesMoved / size))
    this.#put('left', figures.timeLeftMs === undefined ? NOTHING : formatDuration(figures.timeLeftMs))
  }

  /** The final values of a finished move. */
  finish(outcome: Outcome): void {
    this.#put('moved', formatRate((outcome.bytesMoved / Math.max(1, outcome.durationMs)) * 1000))
    this.#put('dirty', '0')
    this.#put('round', formatCount(outcome.rounds))
    if (outcome.predictedPauseMs !== undefined) this.#put('predicted', formatDuration(outcome.predictedPauseMs))
    this.#put('actual', formatDuration(outcome.pauseMs))
    this.#put('share', share(outcome.bytesMoved / outcome.settings.size))
    this.#put('left', NOTHING)
  }

  #put(key: keyof typeof NAMES, text: string): void {
    const cell = this.#cells[key]
    if (cell.textContent !== text) cell.textContent = text
  }
}

function share(ratio: number): string {
  return `${ratio.toFixed(2)} ×`
}
