import { BlockLegend } from '../block-legend.ts'
import { BlockMap } from '../block-map.ts'
import type { Statement } from '../mover/sentences.ts'

const HTML = `
  <div class="outcome" data-part="outcome" data-kind="idle">
    <button type="button" class="travel-plug" data-part="plug" hidden>Pull the plug</button>
    <p class="sentence" role="status" aria-live="polite" data-part="sentence"></p>
    <p class="detail" data-part="detail"></p>
    <dl class="roots" data-part="roots" hidden><div><dt>Root hash</dt><dd data-part="root"></dd></div></dl>
  </div>
  <figure class="map" data-part="picture" hidden>
    <canvas role="img" aria-label="Block map of the disk, empty so far" data-part="map"></canvas>
    <figcaption><ul class="legend" data-part="legend"></ul><span class="scale" data-part="scale"></span></figcaption>
  </figure>
  <dl class="figures travel-figures" data-part="figures" hidden></dl>`

/** What both sides show of a journey: what is going on, the map, and some figures. */
export class Stage {
  readonly element = document.createElement('div')
  readonly plug: HTMLButtonElement
  readonly #map: BlockMap
  readonly #legend: BlockLegend
  readonly #figures = new Map<string, HTMLElement>()

  /** @param names of the figures, by key */
  constructor(names: Readonly<Record<string, string>>) {
    this.element.className = 'stage'
    this.element.innerHTML = HTML
    this.plug = part(this.element, 'plug')
    this.#map = new BlockMap(part(this.element, 'map'))
    this.#legend = new BlockLegend(part(this.element, 'legend'), part(this.element, 'scale'))
    for (const [key, name] of Object.entries(names)) {
      const group = document.createElement('div')
      const term = document.createElement('dt')
      const value = document.createElement('dd')
      term.textContent = name
      value.textContent = '–'
      value.dataset.travel = key
      group.append(term, value)
      part(this.element, 'figures').append(group)
      this.#figures.set(key, value)
    }
  }

  say({ tone, sentence, detail }: Statement): void {
    part(this.element, 'outcome').dataset.kind = tone
    part(this.element, 'sentence').textContent = sentence
    part(this.element, 'detail').textContent = detail
  }

  /** Changes the second line alone. */
  detail(text: string): void {
    part(this.element, 'detail').textContent = text
  }

  showRoot(root: string): void {
    part(this.element, 'root').textContent = root
    part(this.element, 'roots').hidden = false
  }

  hideRoot(): void {
    part(this.element, 'roots').hidden = true
  }

  /** Before there is a disk, an empty frame would only be puzzling. */
  showFigures(): void {
    part(this.element, 'figures').hidden = false
  }

  showBlocks(blocks: Uint8Array): void {
    this.showFigures()
    part(this.element, 'picture').hidden = false
    this.#legend.show(this.#map.show(blocks), this.#map)
  }

  put(key: string, text: string): void {
    const cell = this.#figures.get(key)
    if (cell && cell.textContent !== text) cell.textContent = text
  }

  /** On a small screen the stage lies below the button that was pressed. */
  scrollIntoView(): void {
    const { top } = this.element.getBoundingClientRect()
    if (top > innerHeight * 0.6 || top < 0) this.element.scrollIntoView({ block: 'start' })
  }
}

/** The element with this `data-part`. */
export function part<Found extends HTMLElement>(within: HTMLElement, name: string): Found {
  const found = within.querySelector<Found>(`[data-part="${name}"]`)
  if (!found) throw new Error(`The page has no part "${name}".`)
  return found
}

/** Milliseconds between two pictures; fewer for visitors who asked for less motion. */
export function pictureInterval(): number {
  return matchMedia('(prefers-reduced-motion: reduce)').matches ? 500 : 100
}

/** Starts a worker that sends, or takes, a disk. */
export function startTraveller(): Worker {
  return new Worker(new URL('./travel.worker.ts', import.meta.url), { type: 'module', name: 'traveller' })
}

/** Takes the storages off the list that this page cannot have: one that came over plain HTTP from another machine has no OPFS. */
export function withdrawMissing(places: HTMLSelectElement): void {
  const opfs = places.querySelector<HTMLOptionElement>('[value=opfs]')
  if (opfs && navigator.storage?.getDirectory === undefined) opfs.disabled = true
}
