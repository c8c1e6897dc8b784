import { type CrispCanvas, keepCrisp } from './canvas.ts'
import { formatDuration, formatRate } from './format.ts'
import { onPaletteChange, type Palette, readPalette } from './palette.ts'

/** One point in time of a move. */
export interface ThroughputPoint {
  /** Milliseconds since the start. */
  readonly atMs: number
  /** Bytes moved per second. */
  readonly moved: number
  /** Bytes made dirty per second. */
  readonly dirtied: number
  readonly round: number
}

/** Beyond this every second point is dropped: no screen shows more, and a run may take an hour. */
const MOST_POINTS = 2000

/** The time axis never shows less, so that the first second does not race across the plot. */
const SHORTEST_SPAN_MS = 5000

const MARGIN = { top: 10, right: 8, bottom: 22, left: 72 }
const DESCRIBE_EVERY_MS = 1000

/** Draws two rates over time, with a mark where a new round began. */
export class ThroughputPlot {
  readonly #canvas: HTMLCanvasElement
  #surface: CrispCanvas | undefined
  #palette: Palette = readPalette()
  #points: ThroughputPoint[] = []
  #describedAt = 0

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas
    keepCrisp(canvas, (surface) => {
      this.#surface = surface
      this.#draw()
    })
    onPaletteChange(() => {
      this.#palette = readPalette()
      this.#draw()
    })
  }

  clear(): void {
    this.#points = []
    this.#draw()
  }

  add(point: ThroughputPoint): void {
    this.#points.push(point)
    if (this.#points.length > MOST_POINTS) this.#points = this.#points.filter((_, index) => index % 2 === 0)
    this.#draw()
    this.#describe(point)
  }

  #draw(): void {
    if (!this.#surface) return
    const { context, width, height } = this.#surface
    context.clearRect(0, 0, width, height)
    const span = Math.max(SHORTEST_SPAN_MS, this.#points.at(-1)?.atMs ?? 0)
    const top = niceCeiling(Math.max(1, ...this.#points.map((point) => Math.max(point.moved, point.dirtied))))
    const x = (ms: number) => MARGIN.left + (ms / span) * (width - MARGIN.left - MARGIN.right)
    const y = (rate: number) => height - MARGIN.bottom - (rate / top) * (height - MARGIN.top - MARGIN.bottom)
    this.#drawAxes(context, { x, y, span, top: this.#points.length > 1 ? top : 0, width })
    if (this.#points.length < 2) return
    this.#drawRounds(context, x, y(0))
    this.#drawLine(context, this.#palette.moved, x, (point) => y(point.moved), y(0))
    this.#drawLine(context, this.#palette.dirty, x, (point) => y(point.dirtied))
  }

  #drawAxes(
    context: CanvasRenderingContext2D,
    axes: { x(ms: number): number; y(rate: number): number; span: number; top: number; width: number },
  ): void {
    const { x, y, span, top, width } = axes
    context.font = '12px ui-monospace, monospace'
    context.fillStyle = this.#palette.muted
    context.strokeStyle = this.#palette.line
    context.lineWidth = 1
    context.textAlign = 'right'
    context.textBaseline = 'middle'
    for (const share of top > 0 ? [0, 0.5, 1] : [0]) {
      // Half a pixel puts a line of one pixel on one row instead of two.
      const level = Math.round(y(top * share)) + 0.5
      context.beginPath()
      context.moveTo(MARGIN.left, level)
      context.lineTo(width - MARGIN.right, level)
      context.stroke()
      context.fillText(share === 0 ? '0' : formatRate(top * share), MARGIN.left - 8, level)
    }
    context.textBaseline = 'top'
    const step = niceCeiling(span / 1000 / Math.max(2, Math.floor(width / 110)), [1, 2, 5]) * 1000
    for (let ms = 0; ms <= span; ms += step) {
      context.textAlign = ms === 0 ? 'left' : ms + step > span ? 'right' : 'center'
      context.fillText(`${ms / 1000} s`, x(ms), y(0) + 7)
    }
  }

  #drawRounds(context: CanvasRenderingContext2D, x: (ms: number) => number, bottom: number): void {
    context.strokeStyle = this.#palette.muted
    context.setLineDash([2, 3])
    context.beginPath()
    for (const [index, point] of this.#points.entries()) {
      if (index === 0 || this.#points[index - 1]!.round === point.round) continue
      const left = Math.round(x(point.atMs)) + 0.5
      context.moveTo(left, MARGIN.top)
      context.lineTo(left, bottom)
    }
    context.stroke()
    context.setLineDash([])
  }

  #drawLine(
    context: CanvasRenderingContext2D,
    colour: string,
    x: (ms: number) => number,
    y: (point: ThroughputPoint) => number,
    bottom?: number,
  ): void {
    const first = this.#points[0]!
    const last = this.#points.at(-1)!
    context.beginPath()
    context.moveTo(x(first.atMs), y(first))
    for (const point of this.#points) context.lineTo(x(point.atMs), y(point))
    context.strokeStyle = colour
    context.lineWidth = 2
    context.lineJoin = 'round'
    context.stroke()
    if (bottom === undefined) return
    context.lineTo(x(last.atMs), bottom)
    context.lineTo(x(first.atMs), bottom)
    context.globalAlpha = 0.14
    context.fillStyle = colour
    context.fill()
    context.globalAlpha = 1
  }

  #describe(point: ThroughputPoint): void {
    const now = performance.now()
    if (now - this.#describedAt < DESCRIBE_EVERY_MS) return
    this.#describedAt = now
    this.#canvas.setAttribute(
      'aria-label',
      `Throughput after ${formatDuration(point.atMs)}: ${formatRate(point.moved)} moved, ${formatRate(point.dirtied)} made dirty.`,
    )
  }
}

/** The smallest round number that is not below the value; powers of two suit bytes, 1, 2, 5 suit seconds. */
function niceCeiling(value: number, steps?: readonly number[]): number {
  if (!steps) return 2 ** Math.ceil(Math.log2(value))
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)))
  return power * (steps.find((step) => step * power >= value) ?? 10)
}
