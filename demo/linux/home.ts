import type { V86 } from 'v86'
import { whenLoaded } from '../../src/adapters/v86/machine.ts'
import { encodeError } from '../../src/errors/wire.ts'
import { saveMachine, V86Disk } from '../../src/v86.ts'
import { formatBytes } from '../format.ts'
import { part } from '../travel/stage.ts'
import { fetchGuest, type GuestFiles, hasGuest, ownGuest } from './guest-files.ts'
import { forgetMachine, keepMachine, keptMachine } from './kept-machine.ts'
import { type DiskPlace, fillDisk, imageOf, makeMachine, makePlace } from './machine.ts'
import { MachineView } from './machine-view.ts'
import { type Machine, RunningMachine } from './running-machine.ts'
import { MACHINE, notStarted, ready } from './sentences.ts'
import { watchDisk } from './watch-disk.ts'

const HTML = `
  <div class="panel" data-part="settings" role="group" aria-label="The machine">
    <form data-part="own" hidden>
      <div class="travel-field"><label for="linux-image">Image of a disk</label><input id="linux-image" name="image" type="file" required /></div>
      <div class="travel-field"><label for="linux-bios">BIOS</label><input id="linux-bios" name="bios" type="file" required /></div>
      <div class="travel-field"><label for="linux-vga">BIOS of the screen</label><input id="linux-vga" name="vga" type="file" required /></div>
      <button type="submit" class="primary">Start this one</button>
      <a class="travel-open" href="#database">Go on to the database</a>
    </form>
    <p class="hint" data-part="progress"></p>
  </div>`

/** What the guest says at its serial port once it has booted. */
const BOOTED = 'READY'

/** The side that boots a machine. */
export class Home {
  readonly #view = new MachineView()
  readonly #panel: HTMLElement

  constructor(section: HTMLElement) {
    section.insertAdjacentHTML('beforeend', HTML)
    section.append(this.#view.element)
    this.#panel = part(section, 'settings')
    void this.#start()
  }

  async #start(): Promise<void> {
    try {
      const kept = await keptMachine()
      if (kept && (await this.#wake(kept))) return
      if (!(await hasGuest())) return this.#askForOwn()
      this.#view.say(MACHINE.fetching)
      await this.#boot(await fetchGuest((bytes) => this.#progress(formatBytes(bytes))))
    } catch (error) {
      this.#view.say(notStarted(encodeError(error)))
    }
  }

  /** A machine that was kept when it had booted goes on from there, with its disk as it was then. Resolves with whether it does; one that does not is forgotten. */
  async #wake({ disk: { id, generation, size }, state, image }: NonNullable<Awaited<ReturnType<typeof keptMachine>>>) {
    this.#view.say(MACHINE.restoring)
    const place = await makePlace(size)
    await fillDisk(place.provider, image)
    const disk = new V86Disk(place.provider, { id, generation })
    let fits = image.size === size
    disk.on('error', ({ operation }) => {
      fits &&= operation !== 'restore'
    })
    const emulator = await makeMachine({ disk, screen: this.#view.screen, isStarted: false })
    await whenLoaded(emulator)
    const saved = await state.arrayBuffer()
    await emulator.restore_state(saved).catch(() => {
      fits = false
    })
    if (!fits) {
      await emulator.destroy()
      await disk.close()
      await place.provider.close()
      await forgetMachine()
      return false
    }
    watchDisk({ emulator, disk }, this.#view)
    await emulator.run()
    this.#run({ emulator, disk }, place, { isOwn: false })
    return true
  }

  async #boot(files: GuestFiles): Promise<void> {
    const place = await makePlace(files.disk.size)
    await fillDisk(place.provider, files.disk)
    const disk = new V86Disk(place.provider)
    this.#view.showScreen('on')
    this.#view.say(files.kernel ? MACHINE.booting : MACHINE.starting)
    const emulator = await makeMachine({ disk, screen: this.#view.screen, files, isStarted: true })
    watchDisk({ emulator, disk }, this.#view)
    if (files.kernel) {
      await said(emulator, BOOTED)
      this.#view.say(MACHINE.keeping)
      await this.#keep({ emulator, disk }, place)
    }
    this.#run({ emulator, disk }, place, { isOwn: !files.kernel })
  }

  /** State, disk and what tells whether they fit are of one moment. */
  async #keep({ emulator, disk }: Machine, { provider }: DiskPlace): Promise<void> {
    let image: Blob
    let generation: number
    const state = await saveMachine(emulator, disk, async () => {
      image = await imageOf(provider)
      generation = disk.generation
    })
    const about = { id: disk.id!, generation: generation!, size: disk.byteLength }
    await keepMachine({ disk: about, state: new Blob([state]), image: image! })
  }

  #run(machine: Machine, { name: place }: DiskPlace, { isOwn }: { isOwn: boolean }): void {
    const said = ready({ place, bytes: machine.disk.byteLength, isOwn })
    new RunningMachine(this.#panel, this.#view, machine, said)
  }

  #askForOwn(): void {
    this.#view.say(MACHINE.missing)
    const form = part<HTMLFormElement>(this.#panel, 'own')
    form.hidden = false
    form.addEventListener('submit', async (event) => {
      event.preventDefault()
      const [bios, vga, image] = ['bios', 'vga', 'image'].map((name) => new FormData(form).get(name) as File)
      form.hidden = true
      try {
        await this.#boot(await ownGuest(bios!, vga!, image!))
      } catch (error) {
        form.hidden = false
        this.#view.say(notStarted(encodeError(error)))
      }
    })
  }

  #progress(text: string): void {
    part(this.#panel, 'progress').textContent = text
  }
}

/** Resolves when the guest has said a word at its serial port. */
function said(emulator: V86, word: string): Promise<void> {
  let heard = ''
  return new Promise((resolve) => {
    emulator.add_listener('serial0-output-byte', (byte) => {
      heard = (heard + String.fromCharCode(byte)).slice(-word.length)
      if (heard === word) resolve()
    })
  })
}
