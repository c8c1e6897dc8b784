import { basename } from 'node:path'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { parseSize } from './sizes.ts'

/** Where a disk is: a path, or a fresh disk in memory whose size may be left to the other side. */
export type DiskAddress =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'memory'; readonly size: number | undefined }

/**
 * Reads an argument: `memory:64MiB`, `memory:` or a path. A file of such a name is reached as `./memory:…`.
 * @throws InvalidArgumentError
 */
export function parseDiskAddress(text: string): DiskAddress {
  if (text === '') throw new InvalidArgumentError('disk', 'a path or memory:<size>', "''")
  if (!text.startsWith('memory:')) return { kind: 'file', path: text }
  const rest = text.slice('memory:'.length)
  if (rest === '') return { kind: 'memory', size: undefined }
  const size = parseSize(rest)
  if (size === undefined || size === 0) throw new InvalidArgumentError('disk', 'a size such as memory:64MiB', text)
  return { kind: 'memory', size }
}

/** The address as it was written, for messages. */
export function addressText(address: DiskAddress): string {
  if (address.kind === 'file') return address.path
  return address.size === undefined ? 'memory:' : `memory:${address.size}`
}

/** What a disk is called where nobody gave it a name. */
export function diskName(address: DiskAddress): string {
  return address.kind === 'file' ? basename(address.path) : 'memory'
}
