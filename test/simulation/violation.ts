/** A promise of the design that a run has broken. `law` is what a shrunk run must still break. */
export class Violation extends Error {
  readonly law: string

  constructor(law: string, what: string) {
    super(what)
    this.law = law
  }
}
