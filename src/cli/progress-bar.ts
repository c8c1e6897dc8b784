import cliProgress, { type SingleBar } from 'cli-progress'
import type { PhaseProgress } from './phase-progress.ts'
import { formatDuration, formatSize } from './sizes.ts'

/** A bar on a terminal, one line for each phase; the only file that knows the library that draws it. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream
  #bar: SingleBar | undefined
  #phase: string | undefined

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  show(progress: PhaseProgress): void {
    if (progress.phase !== this.#phase) this.#start(progress)
    this.#bar!.update(progress.bytes, describe(progress))
  }

  /** Leaves the line as it is and gives the terminal back; idempotent. */
  stop(): void {
    this.#bar?.stop()
    this.#bar = undefined
    this.#phase = undefined
  }

  #start(progress: PhaseProgress): void {
    this.stop()
    this.#phase = progress.phase
    this.#bar = new cliProgress.SingleBar({
      stream: this.#stream,
      hideCursor: true,
      format: (options, params, payload) => {
        const percentage = String(Math.floor(params.progress * 100)).padStart(3)
        const bar = cliProgress.Format.BarFormat(params.progress, options)
        return `${progress.phase.padEnd(8)} ${bar} ${percentage}%  ${(payload as { text: string }).text}`
      },
      barsize: 24,
      barCompleteChar: '█',
      barIncompleteChar: '░',
    })
    this.#bar.start(progress.totalBytes, progress.bytes, describe(progress))
  }
}

function describe(progress: PhaseProgress): { text: string } {
  const done = `${formatSize(progress.bytes)} of ${formatSize(progress.totalBytes)}`
  const rate = progress.bytesPerSecond > 0 ? `  ${formatSize(progress.bytesPerSecond)}/s` : ''
  const left = progress.timeLeftMs === undefined ? '' : `  ${formatDuration(progress.timeLeftMs)} left`
  return { text: `${done}${rate}${progress.bytes < progress.totalBytes ? left : ''}` }
}
