import type { Party } from '../../src/transports/pairing/signalling.ts'

const HTML = `
  <summary>Nothing connects the two? Carry it by hand</summary>
  <p class="hint" data-say="how"></p>
  <div data-for="theirs">
    <label for="travel-theirs">Text of the other side</label>
    <textarea id="travel-theirs" rows="3" spellcheck="false" autocomplete="off"></textarea>
    <button type="button" data-do="take">Take this text</button>
  </div>
  <div data-for="ours" hidden>
    <label for="travel-ours">Text for the other side</label>
    <textarea id="travel-ours" rows="3" readonly></textarea>
  </div>
  <p class="hint warning" role="alert" data-say="problem"></p>`

const HOW = {
  host: 'Send the link to the other side by any way. It shows a text there; paste it here, and carry the answer back.',
  guest: 'Carry the first text to the side that offers the disk, and paste its answer here.',
} as const satisfies Record<Party, string>

/** The last resort: two texts that people carry between the sides. */
export class HandCarry {
  /** Called with what was pasted. */
  onPaste: (text: string) => void = () => {}
  /** Called when the visitor turns to this way. */
  onOpen: () => void = () => {}
  readonly #details = document.createElement('details')

  constructor(parent: HTMLElement, as: Party) {
    this.#details.className = 'travel-hand'
    this.#details.innerHTML = HTML
    parent.append(this.#details)
    this.#find('[data-say=how]').textContent = HOW[as]
    // The guest speaks first.
    if (as === 'guest') this.#details.insertBefore(this.#find('[data-for=ours]'), this.#find('[data-for=theirs]'))
    this.#details.addEventListener('toggle', () => this.#details.open && this.onOpen())
    this.#find('[data-do=take]').addEventListener('click', () => {
      this.complain('')
      this.onPaste(this.#find<HTMLTextAreaElement>('#travel-theirs').value)
    })
    this.#find('#travel-ours').addEventListener('focus', () => this.#find<HTMLTextAreaElement>('#travel-ours').select())
  }

  /** Shows the text that is to be carried to the other side. */
  show(text: string): void {
    this.#find<HTMLTextAreaElement>('#travel-ours').value = text
    this.#find('[data-for=ours]').hidden = false
  }

  complain(problem: string): void {
    this.#find('[data-say=problem]').textContent = problem
  }

  hide(): void {
    this.#details.hidden = true
  }

  reset(): void {
    this.#details.open = false
    this.#find('[data-for=ours]').hidden = true
    for (const field of ['#travel-ours', '#travel-theirs']) this.#find<HTMLTextAreaElement>(field).value = ''
    this.complain('')
  }

  #find<Found extends HTMLElement>(selector: string): Found {
    return this.#details.querySelector<Found>(selector)!
  }
}
