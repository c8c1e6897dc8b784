import { Option } from 'commander'
import { parseSignalAddress, signal } from '../commands/signal.ts'
import type { AddCommand } from './request.ts'
import { withOutput } from './shared.ts'
import { argument } from './values.ts'

/** `signal`: runs a rendezvous. */
export const addSignal: AddCommand = (program, then) => {
  withOutput(program.command('signal'))
    .description('Run a rendezvous, where browsers and machines find each other by an invitation.')
    .addOption(
      new Option('--listen <url>', 'where they meet: ws://HOST:PORT')
        .argParser(argument(parseSignalAddress))
        .makeOptionMandatory(),
    )
    .action((options) => then({ output: options, run: (output, abort) => signal(options, output, abort) }))
}
