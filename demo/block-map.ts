import {
  type BlockCounts,
  countBlocks,
  DIRTY,
  HEAT_SHIFT,
  HOLDS_DATA,
  MOVED,
  MOVING,
  STATE_MASK,
} from './block-byte.ts'
import { type CrispCanvas, keepCrisp } from './canvas.ts'
import { formatCount, formatPlural } from './format.ts'
import { onPaletteChange, type Palette, parseColour, readPalette } from './palette.ts'

/** CSS pixels. Smaller cells cannot be told apart; larger ones make a small disk look like a big one. */
const SMALLEST_CELL = 4
const LARGEST_CELL = 22

/** From this size on a cell has room for a gap around it and for its heat as a dot in the middle. */
const ROOMY_CELL = 6

/** Milliseconds between two descriptions for screen readers. */
const DESCRIBE_EVERY_MS = 1000

/** CSS pixels. The canvas takes as much as its cells need, up to this. */
const LARGEST_HEIGHT = 300

interface Grid {
  /** CSS pixels from one cell to the next; whole device pixels. */
  readonly pitch: number
  readonly columns: number
  readonly cells: number
  readonly blocksPerCell: number
}

/**
 * Draws a disk as a field of cells, one per block, or one for several neighbours where there are more blocks than the canvas has room
 * for: such a cell mixes their colours, and one that is moving or dirty always shows. Only cells that changed are drawn again.
 */
export class BlockMap {
  readonly #canvas: HTMLCanvasElement
  #surface: CrispCanvas | undefined
  #palette: Palette = readPalette()
  #blocks = new Uint8Array(0)
  #grid: Grid = { pitch: LARGEST_CELL, columns: 1, cells: 0, blocksPerCell: 1 }
  /** Colour of each cell as drawn; undefined draws again. */
  #drawn: (string | undefined)[] = []
  #describedAt = 0

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas
    keepCrisp(canvas, (surface) => {
      this.#surface = surface
      this.#layOut()
    })
    onPaletteChange(() => {
      this.#palette = readPalette()
      this.#layOut()
    })
  }

  /** Blocks that one cell stands for. */
  get blocksPerCell(): number {
    return this.#grid.blocksPerCell
  }

  /** Shows a snapshot (see block-byte.ts) and returns its counts. The snapshot is copied. */
  show(blocks: Uint8Array): BlockCounts {
    if (this.#blocks.length === blocks.length) this.#blocks.set(blocks)
    else {
      this.#blocks = blocks.slice()
      this.#layOut()
    }
    this.#draw()
    const counts = countBlocks(this.#blocks)
    this.#describe(counts)
    return counts
  }

  #layOut(): void {
    if (!this.#surface || this.#blocks.length === 0) return
    const { context, width, height, ratio } = this.#surface
    this.#grid = chooseGrid(this.#blocks.length, width, ratio)
    const { cells, columns, pitch } = this.#grid
    // A change of height comes back here as a resize.
    this.#canvas.style.height = `${Math.ceil(cells / columns) * pitch}px`
    this.#drawn = new Array(cells)
    context.clearRect(0, 0, width, height)
    this.#draw()
  }

  #draw(): void {
    if (!this.#surface) return
    const { context, ratio } = this.#surface
    const { pitch, columns, cells, blocksPerCell } = this.#grid
    const roomy = pitch >= ROOMY_CELL
    // A gap of whole device pixels, or neighbouring cells would look uneven.
    const gap = Math.max(1, Math.round(pitch * ratio * 0.12)) / ratio
    const side = pitch - gap
    const dot = Math.max(2, Math.round(side * 0.46))
    const inset = (side - dot) / 2
    for (let cell = 0; cell < cells; cell++) {
      const { state, heat } = this.#look(cell * blocksPerCell, blocksPerCell)
      const colour = roomy ? state : mix(state, this.#palette.heat, heat * 0.6)
      const key = roomy ? `${colour}/${Math.round(heat * 15)}` : colour
      if (this.#drawn[cell] === key) continue
      this.#drawn[cell] = key
      const left = (cell % columns) * pitch
      const top = Math.floor(cell / columns) * pitch
      context.fillStyle = colour
      context.fillRect(left, top, side, side)
      if (!roomy || heat === 0) continue
      context.fillStyle = mix(state, this.#palette.heat, 0.25 + heat * 0.75)
      context.fillRect(left + inset, top + inset, dot, dot)
    }
  }

  /** Colour of a cell without heat, and its heat from 0 to 1. */
  #look(first: number, count: number): { state: string; heat: number } {
    const end = Math.min(first + count, this.#blocks.length)
    let moving = 0
    let dirty = 0
    let moved = 0
    let data = 0
    let heat = 0
    for (let block = first; block < end; block++) {
      const byte = this.#blocks[block]
      const state = byte & STATE_MASK
      if (state === MOVING) moving++
      else if (state === DIRTY) dirty++
      else if (state === MOVED) moved++
      else if (byte & HOLDS_DATA) data++
      if (byte >> HEAT_SHIFT > heat) heat = byte >> HEAT_SHIFT
    }
    const length = end - first
    const { empty, waiting, moved: movedColour } = this.#palette
    let state = mix(mix(empty, waiting, data / Math.max(1, length - moved)), movedColour, moved / length)
    if (dirty > 0) state = mix(state, this.#palette.dirty, 0.4 + (0.6 * dirty) / length)
    if (moving > 0) state = mix(state, this.#palette.moving, 0.4 + (0.6 * moving) / length)
    return { state, heat: heat / 15 }
  }

  #describe(counts: BlockCounts): void {
    const now = performance.now()
    if (now - this.#describedAt < DESCRIBE_EVERY_MS) return
    this.#describedAt = now
    this.#canvas.setAttribute('aria-label', describeBlocks(counts, this.#blocks.length))
  }
}

/** The map in words. */
export function describeBlocks(counts: BlockCounts, total: number): string {
  const waiting = counts.empty + counts.waiting
  return (
    `Block map of ${formatPlural(total, 'block')}: ${formatCount(counts.moved)} moved, ${formatCount(counts.moving)} moving, ` +
    `${formatCount(counts.dirty)} dirty, ${formatCount(waiting)} not yet moved; ${formatCount(counts.hot)} written recently.`
  )
}

/** The largest cells that fit; where even the smallest do not, cells that stand for several blocks. */
export function chooseGrid(blocks: number, width: number, ratio: number): Grid {
  const smallest = Math.round(SMALLEST_CELL * ratio)
  for (let devicePixels = Math.round(LARGEST_CELL * ratio); devicePixels >= smallest; devicePixels--) {
    const pitch = devicePixels / ratio
    const columns = Math.floor(width / pitch)
    if (columns * Math.floor(LARGEST_HEIGHT / pitch) >= blocks)
      return { pitch, columns, cells: blocks, blocksPerCell: 1 }
  }
  const pitch = smallest / ratio
  const columns = Math.max(1, Math.floor(width / pitch))
  const blocksPerCell = Math.ceil(blocks / (columns * Math.floor(LARGEST_HEIGHT / pitch)))
  return { pitch, columns, cells: Math.ceil(blocks / blocksPerCell), blocksPerCell }
}

const mixes = new Map<string, string>()

/** A colour between two, in 16 steps; remembered, since a map asks for the same few hundred again and again. */
function mix(from: string, to: string, share: number): string {
  const step = Math.round(Math.min(1, Math.max(0, share)) * 16)
  if (step === 0) return from
  if (step === 16) return to
  const key = `${from}${to}${step}`
  const known = mixes.get(key)
  if (known) return known
  const a = parseColour(from)
  const b = parseColour(to)
  const digits = a.map((channel, index) =>
    Math.round(channel + ((b[index]! - channel) * step) / 16)
      .toString(16)
      .padStart(2, '0'),
  )
  const mixed = `#${digits.join('')}`
  if (mixes.size > 20_000) mixes.clear()
  mixes.set(key, mixed)
  return mixed
}
