import { verify } from '../commands/verify.ts'
import { type DiskAddress, parseDiskAddress } from '../disk-address.ts'
import { isPeerAddress, type PeerAddress, parsePeerAddress } from '../peer-address.ts'
import type { AddCommand } from './request.ts'
import { withBlocks, withOutput, withPeer } from './shared.ts'
import { argument } from './values.ts'

/** `verify`: whether two disks are equal. */
export const addVerify: AddCommand = (program, then) => {
  withOutput(withPeer(withBlocks(program.command('verify'))))
    .description(
      'Compare two disks by exchanging hashes only. Exit codes: 0 equal, 1 not equal, 2 it could not be told.',
    )
    .argument('<a>', 'a disk image, a block device, or the URL of a serve', argument(parseEnd))
    .argument('<b>', 'the same', argument(parseEnd))
    .option('--repair', 'copy what differs from a to b')
    .action((a, b, { repair = false, blockSize, ...options }) => {
      const request = { a, b, repair, blockSize, link: options }
      then({ output: options, run: (output, signal) => verify(request, output, signal) })
    })
}

function parseEnd(text: string): DiskAddress | PeerAddress {
  return isPeerAddress(text) ? parsePeerAddress(text) : parseDiskAddress(text)
}
