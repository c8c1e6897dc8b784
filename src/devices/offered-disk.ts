import { StorageError } from '../errors/storage-error.ts'

/** A disk that the peer offers. Name and size are a stranger's: to be shown and checked, not to be trusted. */
export interface OfferedDisk {
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly blockSize: number
}

/** Largest block that a peer may use: whole blocks are what arrives. */
const LARGEST_BLOCK_BYTES = 2 ** 24

/** Blocks of a disk that a peer may offer: 16 TiB of 64 KiB blocks. A few bits are kept for each, 128 MiB at most. */
const LARGEST_BLOCK_COUNT = 2 ** 28

/** @throws StorageError `MALFORMED`, `LIMIT_EXCEEDED` */
export function checkOffer({ size, blockSize }: OfferedDisk): void {
  if (size < 1 || blockSize > LARGEST_BLOCK_BYTES || (blockSize & (blockSize - 1)) !== 0 || blockSize < 512) {
    throw new StorageError('MALFORMED', `The peer offers ${size} bytes in blocks of ${blockSize}.`)
  }
  if (size / blockSize > LARGEST_BLOCK_COUNT) {
    throw new StorageError('LIMIT_EXCEEDED', `The peer offers ${size} bytes in blocks of ${blockSize}.`)
  }
}
