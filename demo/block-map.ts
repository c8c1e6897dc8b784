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
 * for: such a cell is filled in parts, and what is moving or dirty always shows. Only cells that changed are drawn again.
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

  /** Blocks of the disk shown. */
  get blocks(): number {
    return this.#blocks.length
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

  /** Shows the disk as before a move: what it holds, and nothing of where that went. Returns the counts. */
  showUnmoved(): BlockCounts {
    return this.show(this.#blocks.map((block) => block & HOLDS_DATA))
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
    const { pitch, columns, cells } = this.#grid
    // Whole device pixels, or neighbouring cells would look uneven.
    const snap = (length: number) => Math.round(length * ratio) / ratio
    const side = pitch - Math.max(1 / ratio, snap(pitch * 0.12))
    const dot = Math.max(2, Math.round(side * 0.46))
    const inset = (side - dot) / 2
    for (let cell = 0; cell < cells; cell++) {
      const { base, dirty, moving, core } = this.#look(cell)
      const key = `${base} ${dirty} ${moving} ${core}`
      if (this.#drawn[cell] === key) continue
      this.#drawn[cell] = key
      const left = (cell % columns) * pitch
      const top = Math.floor(cell / columns) * pitch
      context.fillStyle = base
      context.fillRect(left, top, side, side)
      for (const [share, colour] of [
        [dirty, this.#palette.dirty],
        [moving, this.#palette.moving],
      ] as const) {
        if (share === 0) continue
        // From the bottom up; a few among many still show.
        const rows = snap(side * Math.max(0.4, share))
        context.fillStyle = colour
        context.fillRect(left, top + side - rows, side, rows)
      }
      if (core === undefined) continue
      context.fillStyle = core
      context.fillRect(left + inset, top + inset, dot, dot)
    }
  }

  /** How a cell looks: its colour, how much of it is dirty and moving on top of that (0 to 1), and the colour of the dot for its heat. */
  #look(cell: number): { base: string; dirty: number; moving: number; core: string | undefined } {
    const { pitch, blocksPerCell } = this.#grid
    const first = cell * blocksPerCell
    const end = Math.min(first + blocksPerCell, this.#blocks.length)
    let moving = 0
    let dirty = 0
    let moved = 0
    let data = 0
    let heat = 0
    for (let block = first; block < end; block++) {
      const byte = this.#blocks[block]!
      const state = byte & STATE_MASK
      if (state === MOVING) moving++
      else if (state === DIRTY) dirty++
      else if (state === MOVED) moved++
      else if (byte & HOLDS_DATA) data++
      heat += byte >> HEAT_SHIFT
    }
    const length = end - first
    const palette = this.#palette
    const waiting = Math.max(1, length - moved - dirty - moving)
    let base = mix(mix(palette.empty, palette.waiting, data / waiting), palette.moved, (moved + dirty) / length)
    // Means of many blocks are low; the root brings out what there is.
    const level = Math.sqrt(heat / length / 15)
    let core: string | undefined
    if (pitch >= ROOMY_CELL) {
      const under = dirty > 0 ? palette.dirty : moving > 0 ? palette.moving : base
      if (level > 0) core = mix(under, palette.heat, 0.15 + level * 0.85)
    } else base = mix(base, palette.heat, level * 0.5)
    return { base, dirty: dirty / length, moving: moving / length, core }
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

/** The largest cells that fit; where even the smallest do not, cells that stand for as few blocks as possible, a power of two. */
export function chooseGrid(blocks: number, width: number, ratio: number): Grid {
  const smallest = Math.round(SMALLEST_CELL * ratio)
  const narrowest = Math.max(width, SMALLEST_CELL)
  for (let blocksPerCell = 1; ; blocksPerCell *= 2) {
    const cells = Math.ceil(blocks / blocksPerCell)
    for (let devicePixels = Math.round(LARGEST_CELL * ratio); devicePixels >= smallest; devicePixels--) {
      const pitch = devicePixels / ratio
      const columns = Math.floor(narrowest / pitch)
      if (columns * Math.floor(LARGEST_HEIGHT / pitch) >= cells) return { pitch, columns, cells, blocksPerCell }
    }
  }
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
