import { BlockLegend } from '../block-legend.ts'
import { BlockMap } from '../block-map.ts'
import type { Statement } from '../mover/sentences.ts'
import { part } from '../travel/stage.ts'

const HTML = `
  <div class="outcome" data-part="outcome" data-kind="idle">
    <button type="button" class="travel-plug" data-part="plug" hidden>Pull the plug</button>
    <p class="sentence" role="status" aria-live="polite" data-part="sentence"></p>
    <p class="detail" data-part="detail"></p>
  </div>
  <div class="linux-screen" data-part="screen" tabindex="0" role="application" hidden
       aria-label="Screen of the machine. Type to it while it has the focus; Shift and Escape leave it.">
    <div class="linux-text"></div><canvas></canvas>
  </div>
  <p class="hint linux-keys" data-part="keys" hidden>Click the screen to type; <kbd>Shift</kbd> <kbd>Esc</kbd> leaves it.
    <label class="linux-phone">On a phone type here: <textarea class="phone_keyboard" rows="1" autocapitalize="off" autocomplete="off" spellcheck="false"></textarea></label>
  </p>
  <div class="linux-maps" data-part="maps" hidden>
    <figure class="map" data-map="disk"><canvas role="img" aria-label="Block map of the disk"></canvas>
      <figcaption><b>Disk</b><ul class="legend"></ul><span class="scale"></span></figcaption></figure>
    <figure class="map" data-map="memory"><canvas role="img" aria-label="Block map of the memory"></canvas>
      <figcaption><b>Memory</b><ul class="legend"></ul><span class="scale"></span></figcaption></figure>
  </div>`

/** Parts of a machine that have a map of their own. */
export type MappedPart = 'disk' | 'memory'

/** What both sides show of a machine: what is going on, its screen, and the maps of its disk and memory. */
export class MachineView {
  readonly element = document.createElement('div')
  readonly plug: HTMLButtonElement
  /** For the emulator, which fills it. */
  readonly screen: HTMLElement
  readonly #maps = new Map<MappedPart, { map: BlockMap; legend: BlockLegend }>()
  #onFocus: (hasFocus: boolean) => void = () => {}

  constructor() {
    this.element.className = 'stage'
    this.element.innerHTML = HTML
    this.plug = part(this.element, 'plug')
    this.screen = part(this.element, 'screen')
    for (const name of ['disk', 'memory'] as const) {
      const figure = this.element.querySelector<HTMLElement>(`[data-map=${name}]`)!
      const map = new BlockMap(figure.querySelector('canvas')!)
      this.#maps.set(name, {
        map,
        legend: new BlockLegend(figure.querySelector('.legend')!, figure.querySelector('.scale')!),
      })
    }
    const typing = this.element.querySelector<HTMLElement>('.phone_keyboard')!
    for (const [element, hasFocus] of [
      ['focus', true],
      ['blur', false],
    ] as const) {
      for (const target of [this.screen, typing]) target.addEventListener(element, () => this.#onFocus(hasFocus))
    }
    // The emulator listens at the window; whoever uses the keyboard for the page as well must be able to leave.
    addEventListener(
      'keydown',
      (event) => {
        if (event.key !== 'Escape' || !event.shiftKey || !this.element.contains(document.activeElement)) return
        event.stopImmediatePropagation()
        ;(document.activeElement as HTMLElement).blur()
        this.element.closest('section')?.querySelector<HTMLElement>('.panel button:not([hidden])')?.focus()
      },
      { capture: true },
    )
  }

  /** Keys go to this machine while its screen has the focus, and only then. */
  typeTo(machine: { keyboard_set_enabled(isEnabled: boolean): void }): void {
    this.#onFocus = (hasFocus) => machine.keyboard_set_enabled(hasFocus)
    machine.keyboard_set_enabled(this.element.contains(document.activeElement))
  }

  say({ tone, sentence, detail }: Statement): void {
    part(this.element, 'outcome').dataset.kind = tone
    part(this.element, 'sentence').textContent = sentence
    part(this.element, 'detail').textContent = detail
  }

  detail(text: string): void {
    part(this.element, 'detail').textContent = text
  }

  /** `off`: it is shown, and does not run here. */
  showScreen(state: 'on' | 'off'): void {
    this.screen.hidden = false
    this.screen.dataset.state = state
    part(this.element, 'keys').hidden = state === 'off'
  }

  showBlocks(name: MappedPart, blocks: Uint8Array): void {
    part(this.element, 'maps').hidden = false
    const { map, legend } = this.#maps.get(name)!
    legend.show(map.show(blocks), map)
  }
}
