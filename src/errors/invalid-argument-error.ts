/** The caller's mistake: a `RangeError` that names the argument, what was expected and what came. Code `INVALID_ARGUMENT`. */
export class InvalidArgumentError extends RangeError {
  readonly code = 'INVALID_ARGUMENT'
  readonly argument: string
  readonly expected: string
  readonly got: unknown

  constructor(argument: string, expected: string, got: unknown) {
    super(`"${argument}" expected ${expected}, got ${String(got)}`)
    this.name = 'InvalidArgumentError'
    this.argument = argument
    this.expected = expected
    this.got = got
  }
}

/** Refuses what is not a whole number of at least `minimum`; returns the value. */
export function checkInteger(argument: string, value: number, minimum = 0): number {
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw new InvalidArgumentError(argument, `a whole number >= ${minimum}`, value)
  }
  return value
}

/** Blocks pass through staging memory whole, several at once: larger ones would leave no room for a second. */
export const LARGEST_BLOCK_SIZE = 2 ** 24

/** Refuses a block size that is not a power of two from 512 bytes to 16 MiB; returns it. */
export function checkBlockSize(argument: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 512 || value > LARGEST_BLOCK_SIZE || (value & (value - 1)) !== 0) {
    throw new InvalidArgumentError(argument, 'a power of two from 512 to 16777216', value)
  }
  return value
}
