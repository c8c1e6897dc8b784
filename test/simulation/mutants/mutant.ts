/** A planted bug: what stands in the shipped source exactly once, and what a tired author might have put there. */
export interface Mutant {
  /** Unlike any other; for `--only`. */
  readonly name: string
  /** From the root of the repository. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** The only scenario that is run, where the others would hardly ever come to it. Default: all of them, by chance. */
  readonly scenario?: string
  /**
   * The file of tests that finds it, for a bug that no simulated run shows: it takes a hostile or an older peer, somebody else's handler, or something
   * beside it that fails, too. Default: the simulator finds it.
   */
  readonly killedBy?: string
  /** What it breaks, and where somebody had that bug. */
  readonly reason: string
}
