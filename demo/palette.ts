/** Colours the canvases draw with. They live in `style.css` as custom properties, so both schemes are in one place. */
export interface Palette {
  readonly empty: string
  readonly waiting: string
  readonly moving: string
  readonly moved: string
  readonly dirty: string
  readonly heat: string
  readonly ink: string
  readonly muted: string
  readonly line: string
}

/** Reads the colours as they are now. */
export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim()
  return {
    empty: colour('empty'),
    waiting: colour('waiting'),
    moving: colour('moving'),
    moved: colour('moved'),
    dirty: colour('dirty'),
    heat: colour('heat'),
    ink: colour('ink'),
    muted: colour('muted'),
    line: colour('line'),
  }
}

/** Calls back whenever the visitor's colour scheme changes; both schemes can follow each other while the page is open. */
export function onPaletteChange(changed: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed)
}

/** A `#rrggbb` colour as three numbers from 0 to 255. */
export function parseColour(hex: string): readonly [number, number, number] {
  const value = Number.parseInt(hex.slice(1), 16)
  return [value >> 16, (value >> 8) & 255, value & 255]
}
