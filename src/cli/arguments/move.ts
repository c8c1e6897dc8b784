import { type Command, Option } from 'commander'
import { PAUSE_MS } from '../../migration/limits.ts'
import { pull } from '../commands/pull.ts'
import { push } from '../commands/push.ts'
import { serve } from '../commands/serve.ts'
import { diskName, parseDiskAddress } from '../disk-address.ts'
import { parseNbdAddress } from '../nbd-address.ts'
import { parsePeerAddress } from '../peer-address.ts'
import type { AddCommand } from './request.ts'
import { withBlocks, withCertificate, withOutput, withPeer } from './shared.ts'
import { argument, value, wholeNumber } from './values.ts'

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
    .action((address, to, options) => {
      const flags = { listen: options.listen === true, force: options.force === true }
      const request = { ...flags, nbd: options.nbd, to, link: { ...options, address } }
      then({ output: options, run: (output, signal) => pull(request, output, signal) })
    })
}

/** `push`: gives a disk away to a `pull --listen`. */
export const addPush: AddCommand = (program, then) => {
  withOutput(withPeer(withUse(program.command('push'))))
    .description('Move a disk to another machine, where pull --listen waits for it.')
    .argument('<disk>', DISK, argument(parseDiskAddress))
    .argument('<url>', `where it waits: ${URL_FORM}`, argument(parsePeerAddress))
    .action((disk, address, options) => {
      const request = { ...options, disk, name: options.name ?? diskName(disk), link: { ...options, address } }
      then({ output: options, run: (output, signal) => push(request, output, signal) })
    })
}

function withNbd(command: Command): Command {
  const form = 'unix:PATH or tcp:HOST:PORT'
  return command.option('--nbd <address>', `where NBD clients use the disk: ${form}`, argument(parseNbdAddress))
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
}
