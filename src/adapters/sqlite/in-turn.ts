/** Something that is here, or will be. */
export type Soon<Value> = Value | Promise<Value>

/** Goes on in the same turn with what is here, or later with what will be: one piece of code for storages that answer at once and for the others. */
export function after<Value, Result>(value: Soon<Value>, next: (value: Value) => Soon<Result>): Soon<Result> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Does work for as long as it says that there is more, waiting where it waits. */
export function repeat(work: () => Soon<boolean>): Soon<void> {
  for (;;) {
    const more = work()
    if (more instanceof Promise) return more.then((goesOn) => (goesOn ? repeat(work) : undefined))
    if (!more) return
  }
}

/** Does work, and something else before its failure is thrown on. */
export function unless<Value>(work: () => Soon<Value>, failed: () => void): Soon<Value> {
  const giveOn = (error: unknown): never => {
    failed()
    throw error
  }
  try {
    const value = work()
    return value instanceof Promise ? value.catch(giveOn) : value
  } catch (error) {
    return giveOn(error)
  }
}
