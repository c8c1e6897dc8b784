import type { Random } from '../../src/async/random.ts'
import { join } from './target.ts'

/** Inputs stay below this, so that a run stays short. */
const LONGEST_BYTES = 65536

/** Most changes at once. */
const CHANGES = 6

const BORDERS = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]

/** What is mutated, and what with. */
export interface MutationSources {
  readonly corpus: readonly Uint8Array[]
  readonly words: readonly Uint8Array[]
  readonly random: Random
}

/** A new input: one of the corpus with some changes of the kinds that break decoders. */
export function mutate({ corpus, words, random }: MutationSources): Uint8Array {
  const below = (limit: number) => Math.floor(random() * limit)
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)]!
  let bytes: Uint8Array = pick(corpus).slice()
  const cut = (at: number, dropped: number, put: Uint8Array) =>
    join([bytes.subarray(0, at), put, bytes.subarray(at + dropped)])
  // One change most often: the more there are, the less of a well-formed input is left.
  const changes = 1 + Math.floor(random() ** 2 * CHANGES)
  for (let change = 0; change < changes; change++) {
    const at = below(bytes.length + 1)
    const length = 1 + below(Math.min(bytes.length - at + 1, random() < 0.8 ? 8 : 4096))
    switch (below(10)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << below(8)
        break
      case 1:
        if (at < bytes.length) bytes[at] = below(256)
        break
      case 2:
        if (at < bytes.length) bytes[at]! += random() < 0.5 ? 1 : -1
        break
      case 3: {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
        if (at + 4 <= bytes.length) view.setUint32(at, pick(BORDERS), random() < 0.5)
        break
      }
      case 4:
        bytes = cut(at, length, new Uint8Array())
        break
      case 5:
        bytes = cut(at, 0, new Uint8Array(length).fill(below(256)))
        break
      case 6:
        bytes = cut(at, 0, bytes.subarray(at, at + length))
        break
      case 7:
        bytes = bytes.slice(0, at)
        break
      case 8:
        if (words.length > 0) bytes = cut(at, random() < 0.5 ? 0 : length, pick(words))
        break
      case 9: {
        const other = pick(corpus)
        const from = below(other.length + 1)
        bytes = cut(at, random() < 0.5 ? bytes.length : 0, other.subarray(from, from + 4096))
        break
      }
    }
  }
  return bytes.length > LONGEST_BYTES ? bytes.slice(0, LONGEST_BYTES) : bytes
}
