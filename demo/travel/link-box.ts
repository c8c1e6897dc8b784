import { qrCode } from './qr-code.ts'

/** Two sections can show a link each. */
let boxes = 0

const html = (id: string) => `
  <div class="travel-qr"></div>
  <label for="${id}">Link, good for one visit within ten minutes</label>
  <input id="${id}" data-do="select" type="text" readonly />
  <div class="actions">
    <button type="button" class="primary" data-do="copy">Copy the link</button>
    <a class="travel-open" target="_blank" rel="noopener">Open it in a new tab</a>
  </div>
  <p class="hint" data-say="reach"></p>`

/** Shows an invitation: as a code for a camera, as a text to copy, and as a link to follow. */
export class LinkBox {
  readonly #box = document.createElement('div')
  #isAlone = false

  constructor(parent: HTMLElement) {
    this.#box.className = 'travel-box'
    this.#box.innerHTML = html(`link-${++boxes}`)
    parent.append(this.#box)
    this.#find('[data-do=copy]').addEventListener('click', () => void this.#copy())
    this.#address.addEventListener('focus', () => this.#address.select())
  }

  /** @param options.isLocal whether the link leads nowhere but on this machine */
  show(link: string, { isLocal }: { isLocal: boolean }): void {
    this.#isAlone = false
    this.#find('.travel-qr').replaceChildren(qrCode(link, 'QR code of the link'))
    this.#address.value = link
    this.#find<HTMLAnchorElement>('.travel-open').href = link
    this.#find('[data-do=copy]').textContent = 'Copy the link'
    this.#say(
      isLocal
        ? 'This address works on this machine only. Started with npm start -- --host, the page lets other devices in.'
        : '',
    )
  }

  /** There is no server that could introduce others. */
  alone(): void {
    this.#isAlone = true
    this.#say('No rendezvous is running here: other tabs of this browser can come by this link, others only by hand.')
  }

  #say(hint: string): void {
    this.#find('[data-say=reach]').textContent = hint
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#address.value)
      this.#find('[data-do=copy]').textContent = 'Copied'
    } catch {
      // Pages without TLS may not; the text is selected for the visitor to copy.
      this.#address.focus()
      if (!this.#isAlone) this.#say('Press the keys for Copy: this browser does not let the page do it.')
    }
  }

  get #address(): HTMLInputElement {
    return this.#find('[data-do=select]')
  }

  #find<Found extends HTMLElement>(selector: string): Found {
    return this.#box.querySelector<Found>(selector)!
  }
}
