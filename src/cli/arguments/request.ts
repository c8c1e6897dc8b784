import type { Command } from 'commander'
import type { Output, OutputOptions } from '../output.ts'

/** One command with what the user asked it for. */
export interface Request {
  readonly output: OutputOptions
  /** Does the work; rejects with what went wrong. Resolves with another exit code than 0 where the answer is one. */
  // biome-ignore lint/suspicious/noConfusingVoidType: most commands return nothing.
  run(output: Output, signal: AbortSignal): Promise<number | void>
}

/** Adds a command to the program; `then` is called with the request when the arguments are for it. */
export type AddCommand = (program: Command, then: (request: Request) => void) => void
