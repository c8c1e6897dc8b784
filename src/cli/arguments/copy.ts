import type { Command } from 'commander'
import { PAUSE_MS } from '../../migration/limits.ts'
import { copy } from '../commands/copy.ts'
import { pull } from '../commands/pull.ts'
import { push } from '../commands/push.ts'
import { type DiskAddress, diskName, parseDiskAddress } from '../disk-address.ts'
import { isPeerAddress, type PeerAddress, parsePeerAddress } from '../peer-address.ts'
import { moveFlags, RETRY_SECONDS } from './move.ts'
import type { AddCommand, Request } from './request.ts'
import { withBlocks, withOutput, withPeer } from './shared.ts'
import { argument } from './values.ts'

/** `copy`; with the address of a peer on one side it is a pull or a push of a disk that nobody uses meanwhile. */
export const addCopy: AddCommand = (program, then) => {
  const command = withOutput(withPeer(withBlocks(program.command('copy'))))
  command
    .description('Copy a disk, every byte verified.')
    .argument('<from>', 'a disk image, a block device, memory:<size>, or the URL of a serve', argument(parseEnd))
    .argument('<to>', 'a path, made when it does not exist, memory:, or the URL of a pull --listen', argument(parseEnd))
    .option('--changed', 'keep what the destination holds and write only blocks that differ')
    .option('--force', 'write over a destination that exists')
    .option('--no-verify', 'do not read everything back and compare')
    .action((from: DiskAddress | PeerAddress, to: DiskAddress | PeerAddress, options) => {
      then({ output: options, run: runner(command, from, to, options) })
    })
}

function parseEnd(text: string): DiskAddress | PeerAddress {
  return isPeerAddress(text) ? parsePeerAddress(text) : parseDiskAddress(text)
}

// The library of arguments gives options without types.
function runner(
  command: Command,
  from: DiskAddress | PeerAddress,
  to: DiskAddress | PeerAddress,
  options: ReturnType<Command['opts']>,
): Request['run'] {
  const flags = { changed: options.changed === true, force: options.force === true }
  if (from.kind !== 'peer' && to.kind !== 'peer') {
    const plain = { ...flags, from, to, blockSize: options.blockSize, verify: options.verify }
    return (output, signal) => copy({ ...plain, concurrency: options.concurrency }, output, signal)
  }
  if (from.kind === 'peer' && to.kind === 'peer') command.error('error: one of the two sides must be a disk')
  if (flags.changed) command.error('error: --changed is for disks on this machine')
  if (from.kind === 'peer') {
    const link = { ...options, address: from } as PullLink
    return (output, signal) =>
      pull(
        { ...moveFlags({ force: flags.force }), link, to: to as DiskAddress, nbd: undefined, retry: RETRY_SECONDS },
        output,
        signal,
      )
  }
  const link = { ...options, address: to as PeerAddress } as PullLink
  const { blockSize, concurrency } = options
  const source = { disk: from, nbd: undefined, name: diskName(from), blockSize, concurrency, maxPause: PAUSE_MS }
  return (output, signal) => push({ ...source, link, retry: RETRY_SECONDS }, output, signal)
}

type PullLink = Parameters<typeof pull>[0]['link']
