import { type Command, Option } from 'commander'
import { PAUSE_MS } from '../../migration/limits.ts'
import type { MigrationStrategy } from '../../migration/migrate-live.ts'
import { pull } from '../commands/pull.ts'
import { push } from '../commands/push.ts'
import { serve } from '../commands/serve.ts'
import { diskName, parseDiskAddress } from '../disk-address.ts'
import { parseNbdAddress } from '../nbd-address.ts'
import { parsePeerAddress } from '../peer-address.ts'
import type { AddCommand } from './request.ts'
import { withBlocks, withCertificate, withOutput, withPeer } from './shared.ts'
import { argument, value, wholeNumber } from './values.ts'

/** How long a lost peer is looked for unless stated: a process that is started anew, a machine that boots. */
export const RETRY_SECONDS = 60

const DISK = 'a disk image, a block device, or memory:<size>'
const URL_FORM = 'tcp://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT or wss://HOST:PORT'

/** `serve`: gives a disk away to whoever pulls it. */
export const addServe: AddCommand = (program, then) => {
  withOutput(withCertificate(withPeer(withUse(program.command('serve')))))
    .description('Let clients use a disk until it has been pulled to another machine.')
    .argument('<disk>', DISK, argument(parseDiskAddress))
    .addOption(
      new Option('--listen <url>', `where pulls come in: ${URL_FORM}`)
        .argParser(argument(parsePeerAddress))
        .makeOptionMandatory(),
    )
    .option('--allow-repair', 'let verify --repair of others write to the disk')
    .action((disk, options) => {
      const request = {
        ...options,
        disk,
        name: options.name ?? diskName(disk),
        link: { ...options, address: options.listen },
      }
      then({ output: options, run: (output, signal) => serve(request, output, signal) })
    })
}

/** `pull`: takes a disk over, calling a `serve` or waiting for a `push`. */
export const addPull: AddCommand = (program, then) => {
  withOutput(withCertificate(withPeer(withNbd(program.command('pull')))))
    .description('Take a disk over from another machine while it is in use.')
    .argument('<url>', `where a serve waits: ${URL_FORM}`, argument(parsePeerAddress))
    .argument('<disk>', 'a path, made when it does not exist, or memory:', argument(parseDiskAddress))
    .option('--listen', 'wait at the URL for a push, instead of calling a serve there')
    .option('--force', 'write over a destination that exists')
    .option('--resume', 'go on with what an interrupted pull has left there')
    .option('--discard', 'throw that away and begin anew')
    .option('--delta', 'what is there is an older copy: keep what is right, so that only the rest travels')
    .addOption(retryOption())
    .action((address, to, options) => {
      const { nbd, retry } = options
      const request = { ...moveFlags(options), nbd, retry, to, link: { ...options, address } }
      then({ output: options, run: (output, signal) => pull(request, output, signal) })
    })
}

/** `push`: gives a disk away to a `pull --listen`. */
export const addPush: AddCommand = (program, then) => {
  withOutput(withPeer(withUse(program.command('push'))))
    .description('Move a disk to another machine, where pull --listen waits for it.')
    .argument('<disk>', DISK, argument(parseDiskAddress))
    .argument('<url>', `where it waits: ${URL_FORM}`, argument(parsePeerAddress))
    .addOption(retryOption())
    .action((disk, address, options) => {
      const request = { ...options, disk, name: options.name ?? diskName(disk), link: { ...options, address } }
      then({ output: options, run: (output, signal) => push(request, output, signal) })
    })
}

function withNbd(command: Command): Command {
  const form = 'unix:PATH or tcp:HOST:PORT'
  return command.option('--nbd <address>', `where NBD clients use the disk: ${form}`, argument(parseNbdAddress))
}

/** The flags of a pull, with what was not said as false. */
export function moveFlags(options: Record<string, unknown>) {
  const [listen, force, resume, discard, delta] = ['listen', 'force', 'resume', 'discard', 'delta'].map(
    (name) => options[name] === true,
  ) as [boolean, boolean, boolean, boolean, boolean]
  return { listen, force, resume, discard, delta }
}

function retryOption(): Option {
  return new Option('--retry <seconds>', 'how long a lost peer is looked for')
    .argParser(value(wholeNumber, 'seconds'))
    .default(RETRY_SECONDS)
}

/** What the side takes that has the disk in use. */
function withUse(command: Command): Command {
  return withBlocks(withNbd(command))
    .option('--name <name>', 'what the disk is called (default: the name of the file)')
    .option(
      '--max-pause <ms>',
      'longest pause of the clients that is accepted',
      value(wholeNumber, 'milliseconds'),
      PAUSE_MS,
    )
    .addOption(
      new Option('--strategy <strategy>', 'when the disk is handed over (default: auto; silo: pre-copy)').choices([
        'auto',
        'pre-copy',
        'post-copy',
      ] satisfies MigrationStrategy[]),
    )
    .option('--deadline <seconds>', 'refuse a move that will take longer', value(wholeNumber, 'seconds'))
}
