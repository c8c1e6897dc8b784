/** One statement of a contract. Free of any test framework, so that the same cases run in Node, a page and a worker. */
export interface ConformanceCase {
  readonly name: string
  /** Resolves when the statement holds, rejects with the reason when not. */
  run(): Promise<void>
}

/** Fails the case unless the condition holds. */
export function expectThat(condition: boolean, statement: string): asserts condition {
  if (!condition) throw new Error(`expected: ${statement}`)
}

/** Fails the case unless both are the same value (`Object.is`) . */
export function expectSame<Value>(actual: Value, expected: Value, what: string): void {
  if (!Object.is(actual, expected)) throw new Error(`${what}: expected ${String(expected)}, got ${String(actual)}`)
}

/** Fails the case unless both arrays hold the same numbers; names the first difference. */
export function expectNumbers(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  expectSame(actual.length, expected.length, `${what}: length`)
  for (let index = 0; index < expected.length; index++) {
    if (actual[index] !== expected[index]) {
      throw new Error(`${what}: at ${index} expected ${expected[index]}, got ${actual[index]}`)
    }
  }
}

/** Fails the case unless the promise rejects (or the function throws) with this `code`; resolves with the error. */
export async function expectCode(work: () => unknown, code: string, what: string): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    const got = typeof error === 'object' && error !== null && 'code' in error ? error.code : error
    if (got !== code) throw new Error(`${what}: expected code ${code}, got ${String(got)}`, { cause: error })
    return error
  }
  throw new Error(`${what}: expected code ${code}, but it succeeded`)
}
