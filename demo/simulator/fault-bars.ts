import { formatCount } from '../format.ts'

/** How often each fault was met, as bars; a list of numbers for who does not see them. */
export class FaultBars {
  readonly #list: HTMLElement
  readonly #rows = new Map<string, { row: HTMLElement; bar: HTMLElement; count: HTMLElement }>()

  constructor(list: HTMLElement) {
    this.#list = list
  }

  show(faults: readonly (readonly [kind: string, count: number])[], runs: number): void {
    const most = Math.max(1, ...faults.map(([, count]) => count))
    const order: HTMLElement[] = []
    for (const [kind, count] of faults) {
      const { row, bar, count: cell } = this.#rows.get(kind) ?? this.#add(kind)
      bar.style.inlineSize = `${(count / most) * 100}%`
      cell.textContent = formatCount(count)
      row.title = `in ${((count / Math.max(1, runs)) * 100).toFixed(1)} % of all runs`
      order.push(row)
    }
    // Moving rows that are in order already would only cost time.
    if (order.some((row, index) => this.#list.children[index] !== row)) this.#list.replaceChildren(...order)
  }

  #add(kind: string) {
    const row = document.createElement('li')
    row.innerHTML = '<span></span><i aria-hidden="true"><b></b></i><em></em>'
    row.querySelector('span')!.textContent = kind
    const parts = { row, bar: row.querySelector('b')!, count: row.querySelector('em')! }
    this.#rows.set(kind, parts)
    return parts
  }
}
