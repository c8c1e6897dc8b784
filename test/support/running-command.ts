import { type ChildProcess, spawn } from 'node:child_process'
import { commandPath } from './built-library.ts'

/** One line of `--json`. */
export type CommandEvent = Record<string, unknown> & { event: string }

/** `npx blockferry … --json` as a process that goes on while a test talks to it. */
export class RunningCommand {
  /** What it has said so far, progress included. */
  readonly events: CommandEvent[] = []
  /** Resolves when it has ended: with its exit code, or null after a signal. */
  readonly ended: Promise<number | null>
  stderr = ''
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()
  #isOver = false

  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    const child = spawn(process.execPath, [commandPath, ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    })
    this.#child = child
    let rest = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) this.events.push(JSON.parse(line) as CommandEvent)
      this.#look()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => {
        this.#isOver = true
        this.#look()
        resolve(code)
      })
    })
  }

  /** The first event of a name, said already or later. */
  event(name: string): Promise<CommandEvent> {
    return this.until((event) => event.event === name, name)
  }

  /** The first event that fits, said already or later; rejects when the process ends without it. */
  async until(fits: (event: CommandEvent) => boolean, what = 'what was waited for'): Promise<CommandEvent> {
    for (;;) {
      const found = this.events.find(fits)
      if (found) return found
      if (this.#isOver) throw new Error(`The command ended without ${what}: ${this.stderr}`)
      await new Promise<void>((look) => this.#waiting.add(look))
    }
  }

  /** What it said last. */
  get last(): CommandEvent | undefined {
    return this.events.at(-1)
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  #look(): void {
    for (const look of this.#waiting) look()
    this.#waiting.clear()
  }
}
