/** A canvas that is as sharp as the screen: its drawing buffer follows its size on the page. */
export interface CrispCanvas {
  readonly context: CanvasRenderingContext2D
  /** CSS pixels. */
  readonly width: number
  /** CSS pixels. */
  readonly height: number
  /** Device pixels per CSS pixel. */
  readonly ratio: number
}

/**
 * Keeps the drawing buffer at the canvas's size on the page and calls `resized` after each change, first one included. A resize
 * clears a canvas, so `resized` draws everything.
 */
export function keepCrisp(canvas: HTMLCanvasElement, resized: (canvas: CrispCanvas) => void): void {
  const context = canvas.getContext('2d')
  if (!context) throw new Error('This browser cannot draw on a canvas.')
  const fit = () => {
    const { width, height } = canvas.getBoundingClientRect()
    if (width === 0 || height === 0) return
    const ratio = devicePixelRatio
    const deviceWidth = Math.round(width * ratio)
    const deviceHeight = Math.round(height * ratio)
    if (canvas.width !== deviceWidth || canvas.height !== deviceHeight) {
      canvas.width = deviceWidth
      canvas.height = deviceHeight
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    resized({ context, width, height, ratio })
  }
  new ResizeObserver(fit).observe(canvas)
}
