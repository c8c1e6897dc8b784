import { Option } from 'commander'
import { PAUSE_MS } from '../../migration/limits.ts'
import { DEFAULT_WRITE_SIZE, WRITE_PATTERNS, type WritePattern } from '../../modules/synthetic-writer.ts'
import { rehearse } from '../commands/rehearse.ts'
import { parseDiskAddress } from '../disk-address.ts'
import { parseRate } from '../sizes.ts'
import type { AddCommand } from './request.ts'
import { withBlocks, withOutput } from './shared.ts'
import { argument, value, wholeNumber, writeSize } from './values.ts'

/** Bytes per second of the made-up program: a busy database on a disk of this decade. */
const WRITE_RATE = 50 * 2 ** 20

/** `rehearse`. */
export const addRehearse: AddCommand = (program, then) => {
  withOutput(withBlocks(program.command('rehearse')))
    .description('Move a copy of a disk while a made-up program writes to it; the image itself is only read.')
    .argument('<image>', 'a disk image or a block device', argument(parseDiskAddress))
    .addOption(
      new Option('--write-rate <rate>', 'how much the program writes')
        .argParser(value(parseRate, 'a rate such as 50MiB/s'))
        .default(WRITE_RATE, '50MiB/s'),
    )
    .addOption(
      new Option('--pattern <pattern>', 'where it writes')
        .choices(WRITE_PATTERNS)
        .default('zipf' satisfies WritePattern),
    )
    .addOption(
      new Option('--write-size <size>', 'bytes of one write')
        .argParser(value(writeSize, 'a size such as 4KiB, up to 16MiB'))
        .default(DEFAULT_WRITE_SIZE, '4KiB'),
    )
    .option('--seed <number>', 'repeats the same writes', value(wholeNumber, 'a whole number'), 1)
    .option(
      '--link-rate <rate>',
      'how much reaches the destination (default: all it takes)',
      value((text) => parseRate(text) || undefined, 'a rate such as 100MiB/s'),
    )
    .option(
      '--max-pause <ms>',
      'longest pause of the program that is accepted',
      value(wholeNumber, 'milliseconds'),
      PAUSE_MS,
    )
    .option('--directory <path>', 'where the copies go when they are too large for memory')
    .action((image, options) =>
      then({ output: options, run: (output, signal) => rehearse({ ...options, image }, output, signal) }),
    )
}
