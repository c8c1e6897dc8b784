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

/** Refuses a block size that is not a power of two from 512 bytes to 64 MiB; returns it. */
export function checkBlockSize(argument: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 512 || value > 2 ** 26 || (value & (value - 1)) !== 0) {
    throw new InvalidArgumentError(argument, 'a power of two from 512 to 67108864', value)
  }
  return value
}
