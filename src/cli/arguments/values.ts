import { InvalidArgumentError } from 'commander'
import { checkBlockSize, LARGEST_BLOCK_SIZE } from '../../errors/invalid-argument-error.ts'
import { LARGEST_CONCURRENCY } from '../../migration/limits.ts'
import { parseSize } from '../sizes.ts'

/** A parser that throws, as the library of arguments wants it: its message becomes part of one line. */
export function argument<Value>(parse: (text: string) => Value): (text: string) => Value {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
    }
  }
}

/** A parser that returns undefined, with what would have been right. */
export function value<Value>(parse: (text: string) => Value | undefined, expected: string): (text: string) => Value {
  return (text) => {
    const parsed = parse(text)
    if (parsed === undefined) throw new InvalidArgumentError(`Expected ${expected}.`)
    return parsed
  }
}

/** @throws InvalidArgumentError of the library */
export function blockSize(text: string): number {
  return checkBlockSize('--block-size', parseSize(text) ?? Number.NaN)
}

export function writeSize(text: string): number | undefined {
  const size = parseSize(text)
  return size !== undefined && size >= 1 && size <= LARGEST_BLOCK_SIZE ? size : undefined
}

export function wholeNumber(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

export function concurrency(text: string): number | undefined {
  const number = wholeNumber(text)
  return number !== undefined && number >= 1 && number <= LARGEST_CONCURRENCY ? number : undefined
}
