import type { BlockCounts } from './block-byte.ts'
import { formatCount, formatPlural } from './format.ts'

const NAMES = [
  ['empty', 'empty'],
  ['waiting', 'not yet'],
  ['moving', 'moving'],
  ['moved', 'moved'],
  ['dirty', 'dirty'],
  ['hot', 'just written'],
] as const satisfies readonly (readonly [keyof BlockCounts, string])[]

/** The legend of a block map, which is also its content in numbers. */
export class BlockLegend {
  readonly #counts: readonly (readonly [keyof BlockCounts, HTMLElement])[]
  readonly #scale: HTMLElement

  /** @param scale says what a cell stands for */
  constructor(list: HTMLElement, scale: HTMLElement) {
    this.#scale = scale
    this.#counts = NAMES.map(([key, name]) => {
      const item = document.createElement('li')
      const swatch = document.createElement('i')
      swatch.className = key
      const count = document.createElement('span')
      count.className = 'count'
      count.dataset.count = key
      item.append(swatch, name, count)
      list.append(item)
      return [key, count]
    })
  }

  show(counts: BlockCounts, { blocks, blocksPerCell }: { blocks: number; blocksPerCell: number }): void {
    for (const [key, count] of this.#counts) count.textContent = formatCount(counts[key])
    this.#scale.textContent = blocksPerCell > 1 ? `1 cell = ${blocksPerCell} blocks` : formatPlural(blocks, 'block')
  }
}
