import { type Clock, systemClock } from '../async/clock.ts'
import { errorCode, errorMessage } from '../errors/storage-error.ts'
import type { PhaseProgress } from './phase-progress.ts'
import { ProgressBar } from './progress-bar.ts'
import { formatDuration, formatSize } from './sizes.ts'

/** Where a command tells what it does: results on standard output, everything else on standard error. */
export interface Output {
  progress(progress: PhaseProgress): void
  /** A remark for people; machines do not get it. */
  note(line: string): void
  /** Something to be careful about; machines get it as an event. */
  warn(line: string): void
  /** A step that others may wait for, such as an address that can be used now: a line for people, an object for machines. */
  event(event: string, fields: Readonly<Record<string, unknown>>, line: string): void
  /** The end of a command that did its work. `lines` for people, `fields` for machines. */
  result(fields: Readonly<Record<string, unknown>>, lines: readonly string[]): void
  /** The end of one that did not: one line, and the stack only in debug mode. */
  failure(error: unknown, remark?: string): void
  /** Gives the terminal back; idempotent. */
  close(): void
}

/** How output is made. */
export interface OutputOptions {
  readonly json?: boolean
  readonly debug?: boolean
}

/** A log gets a line this often where a terminal would show a bar. */
const LOG_INTERVAL_MS = 10_000

/** Output for people, or with `json` for machines: one object per line, each with an `event`. */
export function createOutput(options: OutputOptions = {}): Output {
  return options.json ? new JsonOutput(options) : new HumanOutput(options)
}

class HumanOutput implements Output {
  readonly #options: OutputOptions
  readonly #bar: ProgressBar | undefined
  readonly #clock: Clock
  #loggedAt: number

  constructor(options: OutputOptions, clock = systemClock) {
    this.#options = options
    this.#bar = process.stderr.isTTY ? new ProgressBar(process.stderr) : undefined
    this.#clock = clock
    this.#loggedAt = clock.now()
  }

  progress(progress: PhaseProgress): void {
    this.#bar?.show(progress)
    if (this.#bar || this.#clock.now() - this.#loggedAt < LOG_INTERVAL_MS) return
    this.#loggedAt = this.#clock.now()
    const left = progress.timeLeftMs === undefined ? '' : `, ${formatDuration(progress.timeLeftMs)} left`
    const rate = `${formatSize(progress.bytesPerSecond)}/s`
    this.note(`${progress.phase}: ${formatSize(progress.bytes)} of ${formatSize(progress.totalBytes)}, ${rate}${left}`)
  }

  note(line: string): void {
    this.close()
    process.stderr.write(`${line}\n`)
  }

  warn(line: string): void {
    this.note(`WARNING: ${line}`)
  }

  event(_event: string, _fields: Readonly<Record<string, unknown>>, line: string): void {
    this.note(line)
  }

  result(_fields: Readonly<Record<string, unknown>>, lines: readonly string[]): void {
    this.close()
    process.stdout.write(`${lines.join('\n')}\n`)
  }

  failure(error: unknown, remark?: string): void {
    this.close()
    writeFailure(error, remark, this.#options)
  }

  close(): void {
    this.#bar?.stop()
  }
}

class JsonOutput implements Output {
  readonly #options: OutputOptions

  constructor(options: OutputOptions) {
    this.#options = options
  }

  progress({ details, ...progress }: PhaseProgress): void {
    writeObject({ event: 'progress', ...details, ...progress })
  }

  note(): void {}

  warn(line: string): void {
    writeObject({ event: 'warning', message: line })
    process.stderr.write(`WARNING: ${line}\n`)
  }

  event(event: string, fields: Readonly<Record<string, unknown>>): void {
    writeObject({ event, ...fields })
  }

  result(fields: Readonly<Record<string, unknown>>): void {
    writeObject({ event: 'result', ...fields })
  }

  failure(error: unknown, remark?: string): void {
    writeObject({ event: 'error', code: errorCode(error) ?? null, message: failureText(error, remark) })
    writeFailure(error, remark, this.#options)
  }

  close(): void {}
}

function writeObject(fields: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(fields)}\n`)
}

function writeFailure(error: unknown, remark: string | undefined, options: OutputOptions): void {
  const code = errorCode(error)
  process.stderr.write(`blockferry: ${failureText(error, remark)}${code === undefined ? '' : ` [${code}]`}\n`)
  if (options.debug && error instanceof Error) process.stderr.write(`${stackWithCauses(error)}\n`)
}

function failureText(error: unknown, remark: string | undefined): string {
  const line = errorMessage(error).replaceAll(/\s*\n\s*/g, ' ')
  return remark === undefined ? line : `${line}; ${remark}`
}

/** Causes nested deeper are cut: a chain of causes may be a loop. */
const CAUSE_DEPTH = 8

function stackWithCauses(error: Error, depth = 0): string {
  const stack = error.stack ?? String(error)
  const isLast = !(error.cause instanceof Error) || depth >= CAUSE_DEPTH
  return isLast ? stack : `${stack}\nCaused by: ${stackWithCauses(error.cause as Error, depth + 1)}`
}
