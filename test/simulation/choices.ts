import { seededRandom } from '../../src/async/random.ts'

/** The decisions of one run, in the order they were taken. */
export type Script = readonly number[]

/**
 * Where every decision of a run comes from: a seeded generator, or a script recorded before. Zero is always the plainest choice (no fault, the
 * first in line, the shortest wait), and a script that has come to its end says zero, so cutting or zeroing a script makes a run plainer.
 */
export class Choices {
  /** What was decided so far. */
  readonly taken: number[] = []
  readonly #draw: (count: number) => number

  constructor(from: number | Script) {
    if (typeof from === 'number') {
      const random = seededRandom(from)
      this.#draw = (count) => Math.floor(random() * count)
    } else {
      let at = 0
      this.#draw = (count) => Math.min(from[at++] ?? 0, count - 1)
    }
  }

  /** A number from 0 to `count - 1`. */
  below(count: number): number {
    if (count <= 1) return 0
    const value = this.#draw(count)
    this.taken.push(value)
    return value
  }

  /** Once in `odds` times; never when `odds` is 0. */
  oneIn(odds: number): boolean {
    return odds > 0 && this.below(odds) === odds - 1 && odds > 1
  }

  /** One of a list whose first is the plainest. */
  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }

  /** From `least` to `most`, the least being the plainest. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }
}
