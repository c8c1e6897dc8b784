import type { ChoiceText, FoundText } from './found-sentences.ts'

/** Says what was left behind, and asks what shall become of it. What cannot be undone is asked twice. */
export class FoundNotice<Choice extends string> {
  readonly #element = document.createElement('div')
  readonly #texts: Readonly<Record<Choice, ChoiceText>>
  readonly #choose: (choice: Choice) => void

  /** `label` names it for who cannot see it. */
  constructor(
    { parent, label, texts }: { parent: HTMLElement; label: string; texts: Readonly<Record<Choice, ChoiceText>> },
    text: FoundText<Choice>,
    choose: (choice: Choice) => void,
  ) {
    this.#texts = texts
    this.#choose = choose
    this.#element.className = 'notice travel-found'
    this.#element.setAttribute('role', 'group')
    this.#element.setAttribute('aria-label', label)
    parent.append(this.#element)
    this.#ask(text)
  }

  remove(): void {
    this.#element.remove()
  }

  /** It did not work: says why, and leaves the choices. */
  complain(problem: string): void {
    const line = paragraph(problem, 'hint warning')
    line.setAttribute('role', 'alert')
    this.#element.querySelector('[role=alert]')?.remove()
    this.#element.append(line)
    for (const button of this.#element.querySelectorAll('button')) button.disabled = false
  }

  #ask({ sentence, detail, choices }: FoundText<Choice>): void {
    const buttons = choices.map((choice, index) => {
      const { label, warning } = this.#texts[choice]
      return this.#button(label, index === 0 && warning === undefined ? 'primary' : 'quiet', () =>
        warning === undefined ? this.#take(choice) : this.#askAgain(choice, { sentence, detail, choices }),
      )
    })
    this.#show([paragraph(sentence, 'sentence'), paragraph(detail, 'detail')], buttons)
  }

  #askAgain(choice: Choice, text: FoundText<Choice>): void {
    const { label, warning = '', really = label } = this.#texts[choice]
    const back = this.#button('Back', 'primary', () => {
      this.#ask(text)
      this.#element.querySelector('button')?.focus({ preventScroll: true })
    })
    this.#show(
      [paragraph(text.sentence, 'sentence'), paragraph(warning, 'detail travel-warning')],
      [back, this.#button(really, 'travel-danger', () => this.#take(choice))],
    )
    back.focus({ preventScroll: true })
  }

  #take(choice: Choice): void {
    for (const button of this.#element.querySelectorAll('button')) button.disabled = true
    this.#choose(choice)
  }

  #show(lines: readonly HTMLElement[], buttons: readonly HTMLElement[]): void {
    const actions = document.createElement('div')
    actions.className = 'actions'
    actions.append(...buttons)
    this.#element.replaceChildren(...lines, actions)
  }

  #button(label: string, kind: string, press: () => void): HTMLButtonElement {
    const button = document.createElement('button')
    button.type = 'button'
    button.className = kind
    button.textContent = label
    button.addEventListener('click', press)
    return button
  }
}

function paragraph(text: string, kind: string): HTMLElement {
  const element = document.createElement('p')
  element.className = kind
  element.textContent = text
  return element
}
