import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { checkBlockSize, LARGEST_BLOCK_SIZE } from '../errors/invalid-argument-error.ts'
import { LARGEST_CONCURRENCY, PAUSE_MS } from '../migration/limits.ts'
import { DEFAULT_WRITE_SIZE, WRITE_PATTERNS, type WritePattern } from '../modules/synthetic-writer.ts'
import type { CopyOptions } from './commands/copy.ts'
import type { RehearseOptions } from './commands/rehearse.ts'
import { parseDiskAddress } from './disk-address.ts'
import type { OutputOptions } from './output.ts'
import { parseRate, parseSize } from './sizes.ts'

/** What the user asked for; undefined when there is nothing left to do, with the exit code. */
export type Request =
  | { readonly command: 'copy'; readonly options: CopyOptions; readonly output: OutputOptions }
  | { readonly command: 'rehearse'; readonly options: RehearseOptions; readonly output: OutputOptions }
  | { readonly command: 'none'; readonly exitCode: 0 | 2 }

/** Bytes of a block unless stated: what the rest of the library is tuned for. */
const BLOCK_SIZE = 65536

/** Bytes per second of the made-up program: a busy database on a disk of this decade. */
const WRITE_RATE = 50 * 2 ** 20

/** Reads the arguments (without node and script); prints help, the version and mistakes itself. The only file that knows the parser. */
export function parseCommandLine(args: readonly string[]): Request {
  let request: Request = { command: 'none', exitCode: 0 }
  const program = new Command('blockferry')
    .description('Moves disks: copies them verified, and rehearses moving them while they are being written.')
    .version(version())
    .helpOption('-h, --help', 'say how to use this')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(usageLine(text)) })
  addCopy(program, (options, output) => {
    request = { command: 'copy', options, output }
  })
  addRehearse(program, (options, output) => {
    request = { command: 'rehearse', options, output }
  })
  try {
    program.parse(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return { command: 'none', exitCode: error.exitCode === 0 ? 0 : 2 }
  }
  return request
}

function addCopy(program: Command, then: (options: CopyOptions, output: OutputOptions) => void): void {
  shared(program.command('copy'))
    .description('Copy a disk, every byte verified.')
    .argument('<from>', 'a disk image, a block device, or memory:<size>', argument(parseDiskAddress))
    .argument('<to>', 'a path, made when it does not exist, or memory:', argument(parseDiskAddress))
    .option('--changed', 'keep what the destination holds and write only blocks that differ')
    .option('--force', 'write over a destination that exists')
    .option('--no-verify', 'do not read everything back and compare')
    .action((from, to, options) => {
      const flags = { changed: options.changed === true, force: options.force === true }
      then({ ...options, ...flags, from, to }, options)
    })
}

function addRehearse(program: Command, then: (options: RehearseOptions, output: OutputOptions) => void): void {
  shared(program.command('rehearse'))
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
    .action((image, options) => then({ ...options, image }, options))
}

function shared(command: Command): Command {
  return command
    .addOption(
      new Option('--block-size <size>', 'bytes moved and tracked together')
        .argParser(argument(blockSize))
        .default(BLOCK_SIZE, '64KiB'),
    )
    .option('--concurrency <number>', 'reads and writes under way together', value(concurrency, '1 to 1024'))
    .option('--json', 'print one JSON object per line')
    .option('--debug', 'print the stack of a failure')
}

/** A parser that throws, as the library of arguments wants it: its message becomes part of one line. */
function argument<Value>(parse: (text: string) => Value): (text: string) => Value {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
    }
  }
}

/** A parser that returns undefined, with what would have been right. */
function value<Value>(parse: (text: string) => Value | undefined, expected: string): (text: string) => Value {
  return (text) => {
    const parsed = parse(text)
    if (parsed === undefined) throw new InvalidArgumentError(`Expected ${expected}.`)
    return parsed
  }
}

function blockSize(text: string): number {
  return checkBlockSize('--block-size', parseSize(text) ?? Number.NaN)
}

function writeSize(text: string): number | undefined {
  const size = parseSize(text)
  return size !== undefined && size >= 1 && size <= LARGEST_BLOCK_SIZE ? size : undefined
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

function concurrency(text: string): number | undefined {
  const number = wholeNumber(text)
  return number !== undefined && number >= 1 && number <= LARGEST_CONCURRENCY ? number : undefined
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
