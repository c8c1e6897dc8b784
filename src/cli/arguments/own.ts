import { own } from '../commands/own.ts'
import { parseDiskAddress } from '../disk-address.ts'
import type { AddCommand } from './request.ts'
import { withOutput } from './shared.ts'
import { argument } from './values.ts'

/** `own`: whose a disk is. */
export const addOwn: AddCommand = (program, then) => {
  withOutput(program.command('own'))
    .description('Say whose a disk is, by the journal beside it, and what to do.')
    .argument('<disk>', 'a disk image or a block device', argument(parseDiskAddress))
    .option('--take-over', 'make it this side’s by force, for when the other side is gone for good')
    .option('--yes', 'confirms that: should the other side live, both will have a disk of their own')
    .option('--force', 'takes it over although parts of it never came')
    .action((disk, { takeOver = false, yes = false, force = false, ...output }) => {
      then({ output, run: (out) => own({ disk, takeOver, yes, force }, out) })
    })
}
