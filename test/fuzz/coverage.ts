import { Session } from 'node:inspector'

interface FunctionCoverage {
  /** The function first, then the blocks in it that ran more or less often than what is around them, outer ones first. */
  readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[]
}

/** Parts of the code that ran and had not run before. */
export type FreshPlaces = readonly { readonly name: string; readonly start: number; readonly end: number }[]

/**
 * Which code of some files runs, told by V8 itself (`Profiler.takePreciseCoverage`), so that what is fuzzed is what is shipped. A question costs
 * 4 ms: too much for each input, little for a batch of them. Code that ran before this
 * began is known by whole functions only, so it comes first.
 */
export class Coverage {
  readonly #session = new Session()
  readonly #counts: (url: string) => boolean
  /** A byte for each character of a function: whether it ever ran. */
  readonly #known = new Map<string, Uint8Array>()
  #places = 0

  /** `counts` says which files are meant. */
  constructor(counts: (url: string) => boolean) {
    this.#counts = counts
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Parts of the code learnt so far. */
  get places(): number {
    return this.#places
  }

  /** What has run since it was last asked and was never learnt. */
  fresh(): FreshPlaces {
    const answer = this.#post('Profiler.takePreciseCoverage') as {
      result: { url: string; functions: FunctionCoverage[] }[]
    }
    const scripts = answer.result.filter(({ url }) => this.#counts(url))
    return scripts.flatMap(({ url, functions }) => functions.flatMap((one) => this.#freshIn(url, one)))
  }

  learn(places: FreshPlaces): void {
    for (const { name, start, end } of places) this.#known.get(name)!.fill(1, start, end)
    this.#places += places.length
  }

  #freshIn(url: string, { ranges }: FunctionCoverage): FreshPlaces {
    const { startOffset: base, endOffset } = ranges[0]!
    const length = endOffset - base
    const name = `${url} ${base} ${endOffset}`
    const known = this.#known.get(name) ?? new Uint8Array(length)
    this.#known.set(name, known)
    const ran = new Uint8Array(length)
    for (const { startOffset, endOffset, count } of ranges) {
      ran.fill(count > 0 ? 1 : 0, startOffset - base, endOffset - base)
    }
    const fresh: { name: string; start: number; end: number }[] = []
    for (let start = 0; start < length; start++) {
      if (ran[start] === 0 || known[start] === 1) continue
      let end = start
      while (end < length && ran[end] === 1 && known[end] === 0) end++
      fresh.push({ name, start, end })
      start = end
    }
    return fresh
  }

  #post(method: string, parameters?: object): unknown {
    let answer: unknown
    this.#session.post(method, parameters, (error, result) => {
      if (error) throw new Error(error.message)
      answer = result
    })
    return answer
  }
}
