import { formatCount, formatDuration } from '../format.ts'
import { FaultBars } from './fault-bars.ts'
import type { FromSimulator, Story, ToSimulator } from './messages.ts'
import { readSeed, Tally } from './tally.ts'

const HTML = `
  <form class="panel" aria-label="What is simulated">
    <div class="travel-field"><label for="simulator-seed">Seed</label>
      <input id="simulator-seed" inputmode="numeric" autocomplete="off" value="1" aria-describedby="simulator-hint" /></div>
    <button type="submit" class="primary" data-part="run">Run from this seed on</button>
    <button type="button" data-part="show">Show this one in full</button>
    <button type="button" class="quiet" data-part="restart">Start over</button>
    <p class="hint" id="simulator-hint">The same seed is the same run, step for step, here and on the command line.</p>
  </form>
  <div class="stage">
    <div class="outcome" data-part="outcome" data-kind="idle">
      <p class="sentence" role="status" aria-live="polite" data-part="sentence"></p>
      <p class="detail" data-part="detail"></p>
    </div>
    <dl class="figures travel-figures">
      <div><dt>runs</dt><dd data-figure="runs">0</dd></div>
      <div><dt>runs per second</dt><dd data-figure="speed">–</dd></div>
      <div><dt>promises broken</dt><dd data-figure="broken">0</dd></div>
      <div><dt>simulated time</dt><dd data-figure="time">–</dd></div>
      <div><dt>steps</dt><dd data-figure="steps">0</dd></div>
      <div><dt>next seed</dt><dd data-figure="seed">–</dd></div>
    </dl>
    <figure class="faults" data-part="faults" hidden>
      <figcaption>Runs that met a fault, by its kind</figcaption>
      <ol data-part="bars"></ol>
    </figure>
    <div class="story" data-part="story" hidden>
      <h3 data-part="story-title"></h3>
      <p class="detail" data-part="story-detail"></p>
      <pre tabindex="0" aria-label="What happened, step by step" data-part="log"></pre>
    </div>
  </div>`

type State = 'idle' | 'running' | 'hidden' | 'stopping' | 'showing'

/** Starts the section that runs seeds of the simulator in the visitor's browser. */
export function mountSimulator(section: HTMLElement): void {
  section.querySelector('[data-part=open]')!.addEventListener('click', (event) => {
    ;(event.currentTarget as HTMLElement).hidden = true
    new Simulator(section)
  })
}

class Simulator {
  readonly #find: <Found extends HTMLElement>(part: string) => Found
  readonly #figure: (name: string, text: string) => void
  readonly #worker = new Worker(new URL('./simulator.worker.ts', import.meta.url), {
    type: 'module',
    name: 'simulator',
  })
  readonly #bars: FaultBars
  #tally = new Tally()
  #state: State = 'idle'
  #nextSeed: number | undefined

  constructor(section: HTMLElement) {
    section.insertAdjacentHTML('beforeend', HTML)
    this.#find = (part) => section.querySelector(`[data-part="${part}"]`)!
    this.#figure = (name, text) => {
      section.querySelector(`[data-figure="${name}"]`)!.textContent = text
    }
    this.#bars = new FaultBars(this.#find('bars'))
    this.#worker.onmessage = ({ data }: MessageEvent<FromSimulator>) => this.#receive(data)
    this.#worker.onerror = (event) =>
      this.#end('failed', event.message || 'The worker of the simulator did not start.', '')
    section.querySelector('form')!.addEventListener('submit', (event) => {
      event.preventDefault()
      if (this.#state === 'running' || this.#state === 'hidden') this.#pause()
      else this.#run()
    })
    this.#find('show').addEventListener('click', () => this.#show())
    this.#find('restart').addEventListener('click', () => this.#restart())
    this.#seedField.addEventListener('input', () => {
      this.#nextSeed = undefined
      this.#enable()
    })
    document.addEventListener('visibilitychange', () => this.#look())
    this.#say('idle', 'Each seed is one move, with its own disk, its own writer and its own bad luck.', IDLE)
    this.#enable()
    this.#find('run').focus({ preventScroll: true })
  }

  get #seedField(): HTMLInputElement {
    return document.querySelector('#simulator-seed')!
  }

  #run(): void {
    const seed = this.#nextSeed ?? this.#readSeed()
    if (seed === undefined) return
    this.#find('story').hidden = true
    this.#enter('running')
    this.#say('running', `Running seed after seed from ${formatCount(seed)} on.`, RUNNING)
    this.#send({ type: 'start', seed })
  }

  #pause(): void {
    this.#enter('stopping')
    this.#send({ type: 'stop' })
  }

  /** A tab that nobody looks at takes no part of the machine. */
  #look(): void {
    if (document.hidden && this.#state === 'running') {
      this.#enter('hidden')
      this.#send({ type: 'stop' })
    } else if (!document.hidden && this.#state === 'hidden') this.#run()
  }

  #show(): void {
    const seed = this.#readSeed()
    if (seed === undefined) return
    this.#enter('showing')
    this.#send({ type: 'show', seed })
  }

  #restart(): void {
    this.#tally = new Tally()
    this.#nextSeed = undefined
    this.#figure('broken', '0')
    this.#find('story').hidden = true
    this.#showTally()
    this.#say('idle', 'Nothing has run yet.', IDLE)
    this.#enable()
  }

  #readSeed(): number | undefined {
    const seed = readSeed(this.#seedField.value)
    this.#seedField.setCustomValidity(seed === undefined ? 'A seed is a whole number of up to nine digits.' : '')
    if (seed === undefined) this.#seedField.reportValidity()
    return seed
  }

  #receive(message: FromSimulator): void {
    if (message.type === 'harvest') {
      this.#tally.add(message.harvest)
      this.#nextSeed = message.nextSeed
      this.#showTally()
    } else if (message.type === 'broken') {
      this.#figure('broken', '1')
      this.#tell(message.story)
      const { seed, broken } = message.story
      this.#end(
        'failed',
        `Seed ${seed} breaks a promise: ${broken?.law ?? 'when it was run, not when it was told'}.`,
        'That is a bug. Please report the seed.',
      )
    } else if (message.type === 'story') {
      this.#tell(message.story)
      const { seed, broken } = message.story
      if (broken) this.#end('failed', `Seed ${seed} breaks a promise: ${broken.law}.`, broken.message)
      else this.#end('equal', `Seed ${seed} keeps every promise.`, 'Below is all that happened in it.')
    } else if (message.type === 'failed') this.#end('failed', message.message, '')
    else if (this.#state === 'stopping') {
      this.#end(
        'stopped',
        `Paused after ${formatCount(this.#tally.runs)} runs: every promise was kept.`,
        'Run on from where it stopped, or from any other seed.',
      )
    } else if (this.#state === 'hidden') this.#say('stopped', 'Paused while nobody looks at this tab.', RUNNING)
  }

  #showTally(): void {
    const { runs, steps, virtualMs, runsPerSecond } = this.#tally
    this.#figure('runs', formatCount(runs))
    this.#figure('speed', runsPerSecond === 0 ? '–' : formatCount(runsPerSecond))
    this.#figure('steps', formatCount(steps))
    this.#figure('time', formatSpan(virtualMs))
    this.#figure('seed', this.#nextSeed === undefined ? '–' : formatCount(this.#nextSeed))
    const faults = this.#tally.sorted()
    this.#find('faults').hidden = faults.length === 0
    this.#bars.show(faults, runs)
  }

  #tell({ seed, scenario, steps, virtualMs, broken, isShrunk, log }: Story): void {
    this.#find('story').hidden = false
    this.#find('story-title').textContent = `Seed ${seed}: ${scenario}`
    const length = `${formatCount(steps)} steps in ${formatDuration(virtualMs)} of simulated time.`
    const what = broken ? `${broken.law}: ${broken.message} ` : ''
    this.#find('story-detail').textContent = what + (isShrunk ? `Made as short as it still fails: ${length}` : length)
    this.#find('log').textContent = log.join('\n')
  }

  #end(tone: string, sentence: string, detail: string): void {
    this.#enter('idle')
    this.#say(tone, sentence, detail)
  }

  #enter(state: State): void {
    this.#state = state
    this.#enable()
  }

  #enable(): void {
    const isRunning = this.#state === 'running' || this.#state === 'hidden'
    const run = this.#find<HTMLButtonElement>('run')
    run.textContent = isRunning ? 'Pause' : this.#nextSeed === undefined ? 'Run from this seed on' : 'Run on'
    run.disabled = this.#state === 'stopping' || this.#state === 'showing'
    for (const part of ['show', 'restart']) this.#find<HTMLButtonElement>(part).disabled = this.#state !== 'idle'
    this.#seedField.disabled = this.#state !== 'idle'
  }

  #say(tone: string, sentence: string, detail: string): void {
    this.#find('outcome').dataset.kind = tone
    this.#find('sentence').textContent = sentence
    this.#find('detail').textContent = detail
  }

  #send(message: ToSimulator): void {
    this.#worker.postMessage(message)
  }
}

const IDLE =
  'Connections are cut, disks fail, sides are killed and started again. After each step it is checked that nothing acknowledged is lost and that one side owns the disk.'

const RUNNING =
  'The shipped code in a worker of this page, on a clock and disks that are made up. It stops at the first promise that is broken.'

/** Simulated time is long. */
function formatSpan(ms: number): string {
  const hours = ms / 3_600_000
  if (hours < 1) return formatDuration(ms)
  return hours < 48 ? `${hours.toFixed(1)} h` : `${formatCount(hours / 24)} days`
}
