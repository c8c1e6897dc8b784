/** For our own mistakes only, never for input: throws when an invariant of this library does not hold. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new Error(`blockferry invariant broken: ${invariant}`)
}
