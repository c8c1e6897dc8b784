import type { Outcome, Step } from './messages.ts'
import type { Statement } from './sentences.ts'
import { STORAGE_NAMES } from './settings.ts'

const STEPS: readonly Step[] = ['fill', 'full', 'dirty', 'locked', 'compare']

/** Where the run is and what came of it: the row of steps, the sentence that is read out, and the two root hashes. */
export class OutcomePanel {
  readonly #route: HTMLElement
  readonly #panel: HTMLElement
  /** Something works less well than asked for; said along with whatever is said. */
  #warning = ''

  constructor(route: HTMLElement, panel: HTMLElement) {
    this.#route = route
    this.#panel = panel
  }

  /** A new run begins. */
  clear(): void {
    this.#warning = ''
    this.#part('roots').hidden = true
    this.at(undefined)
  }

  warn(message: string): void {
    this.#warning = message
  }

  /** Marks the steps before this one as past. */
  at(current: Step | 'done' | undefined): void {
    const at = current === 'done' ? STEPS.length : current === undefined ? -1 : STEPS.indexOf(current)
    for (const item of this.#route.querySelectorAll<HTMLElement>('[data-step]')) {
      const index = STEPS.indexOf(item.dataset.step as Step)
      item.toggleAttribute('data-past', index < at)
      if (index === at) item.setAttribute('aria-current', 'step')
      else item.removeAttribute('aria-current')
    }
  }

  say({ tone, sentence, detail }: Statement): void {
    this.#panel.dataset.kind = tone
    this.#part('sentence').textContent = sentence
    this.detail(this.#warning === '' ? detail : `${detail} ${this.#warning}`)
  }

  /** Changes the second line, which is not read out. */
  detail(text: string): void {
    this.#part('detail').textContent = text
  }

  showRoots({ settings, sourceRoot, destinationRoot }: Outcome): void {
    this.#part('root-source-label').textContent = `Source, ${STORAGE_NAMES[settings.source]}`
    this.#part('root-source').textContent = sourceRoot
    this.#part('root-destination-label').textContent = `Destination, ${STORAGE_NAMES[settings.destination]}`
    this.#part('root-destination').textContent = destinationRoot
    this.#part('roots').hidden = false
  }

  /** On a small screen the panel lies below the button that starts a run. */
  scrollIntoView(): void {
    if (this.#panel.getBoundingClientRect().top > innerHeight / 2) this.#route.scrollIntoView({ block: 'start' })
  }

  #part(id: string): HTMLElement {
    return this.#panel.querySelector(`#${id}`)!
  }
}
