import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addCopy } from './arguments/copy.ts'
import { addPull, addPush, addServe } from './arguments/move.ts'
import { addOwn } from './arguments/own.ts'
import { addRehearse } from './arguments/rehearse.ts'
import type { AddCommand, Request } from './arguments/request.ts'
import { addSignal } from './arguments/signal.ts'
import { addVerify } from './arguments/verify.ts'

/** Every command, in the order of the help; each reads its own arguments. */
const COMMANDS: readonly AddCommand[] = [addCopy, addServe, addPull, addPush, addVerify, addOwn, addSignal, addRehearse]

/** There is nothing left to do: help, the version or a mistake was printed. */
export interface Nothing {
  readonly exitCode: 0 | 2
}

/** Reads the arguments (without node and script); prints help, the version and mistakes itself. */
export function parseCommandLine(args: readonly string[]): Request | Nothing {
  let request: Request | Nothing = { exitCode: 0 }
  const program = new Command('blockferry')
    .description('Moves disks: verified copies, and live between machines while they are being written.')
    .version(version())
    .helpOption('-h, --help', 'say how to use this')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(usageLine(text)) })
  for (const add of COMMANDS) {
    add(program, (found) => {
      request = found
    })
  }
  try {
    program.parse(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return { exitCode: error.exitCode === 0 ? 0 : 2 }
  }
  return request
}

/** What the parser says, as one line in the form of all others. */
function usageLine(text: string): string {
  return `blockferry: ${text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')} (--help says more)\n`
}

function version(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  )
  return manifest.version
}
