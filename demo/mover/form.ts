import { formatBytes, formatRate } from '../format.ts'
import {
  BLOCK_SIZES,
  LINK_RATES,
  PATTERN_HINTS,
  PATTERNS,
  parseSettings,
  type Settings,
  SIZES,
  STORAGE_KINDS,
  STORAGE_NAMES,
  type StorageKind,
  WRITE_RATES,
} from './settings.ts'

const STORAGE_HINTS: Readonly<Record<StorageKind, string>> = {
  memory: 'Gone when the page closes',
  indexeddb: 'The database every browser has',
  opfs: 'Origin private file system: a file in the browser’s own storage',
}

/** The settings form: offers what settings.ts lists, and reads the choice back. */
export class SettingsForm {
  readonly element: HTMLFormElement
  readonly #hint: HTMLElement

  constructor(element: HTMLFormElement, initial: Settings, changed: (settings: Settings) => void) {
    this.element = element
    this.#hint = element.querySelector('#pattern-hint')!
    for (const name of ['source', 'destination'] as const) this.#offerStorages(name, initial[name])
    this.#offer('size', SIZES, initial.size, formatBytes)
    this.#offer('blockSize', BLOCK_SIZES, initial.blockSize, formatBytes)
    this.#offer('writeRate', WRITE_RATES, initial.writeRate, (rate) => (rate === 0 ? 'off' : formatRate(rate)))
    this.#offer('linkRate', LINK_RATES, initial.linkRate, (rate) =>
      rate === 0 ? 'as fast as it can' : `at most ${formatRate(rate)}`,
    )
    this.#offer('pattern', PATTERNS, initial.pattern, (pattern) => pattern[0]!.toUpperCase() + pattern.slice(1))
    this.#showHint(initial)
    element.addEventListener('change', () => {
      const settings = this.read()
      this.#showHint(settings)
      changed(settings)
    })
  }

  /** The choice as it stands. */
  read(): Settings {
    return parseSettings(Object.fromEntries(new FormData(this.element)))
  }

  /** No choice can change while a disk moves. */
  lock(locked: boolean): void {
    for (const group of this.element.querySelectorAll<HTMLFieldSetElement>('fieldset[data-lock]'))
      group.disabled = locked
  }

  /** Greys out a storage that this browser lacks; the next one is chosen in its place. */
  withdraw(kind: StorageKind): void {
    for (const input of this.element.querySelectorAll<HTMLInputElement>(`input[type=radio][value=${kind}]`)) {
      input.disabled = true
      input.parentElement!.title = 'Not available in this browser or this kind of window'
      input.parentElement!.className = 'missing'
      if (input.checked)
        this.element.querySelector<HTMLInputElement>(`input[name=${input.name}]:not(:disabled)`)!.checked = true
    }
  }

  #showHint(settings: Settings): void {
    this.#hint.textContent =
      settings.writeRate === 0 ? 'Nothing is written while the disk moves.' : PATTERN_HINTS[settings.pattern]
  }

  #offerStorages(name: 'source' | 'destination', chosen: StorageKind): void {
    const group = this.element.querySelector(`[data-choice=${name}]`)!
    for (const kind of STORAGE_KINDS) {
      const label = document.createElement('label')
      const input = document.createElement('input')
      Object.assign(input, { type: 'radio', name, value: kind, checked: kind === chosen })
      const text = document.createElement('span')
      text.textContent = STORAGE_NAMES[kind]
      label.title = STORAGE_HINTS[kind]
      label.append(input, text)
      group.append(label)
    }
  }

  #offer<Value extends string | number>(
    name: string,
    values: readonly Value[],
    chosen: Value,
    text: (value: Value) => string,
  ): void {
    const select = this.element.querySelector<HTMLSelectElement>(`select[name=${name}]`)!
    for (const value of values) select.add(new Option(text(value), String(value), value === chosen, value === chosen))
  }
}
