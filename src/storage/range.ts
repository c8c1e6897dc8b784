import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'

/** Refuses a size that is not a whole number of bytes from 1 to 2^53 - 1; returns it. */
export function checkSize(size: number): number {
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new InvalidArgumentError('size', 'a whole number of bytes from 1 to 2^53 - 1', size)
  }
  return size
}

/**
 * The length of a range cut at the end of the disk.
 * @throws InvalidArgumentError for an offset outside `0..size`, a negative length, a fraction or a NaN.
 */
export function clipLength(size: number, offset: number, length: number): number {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > size) {
    throw new InvalidArgumentError('offset', `a whole number from 0 to ${size}`, offset)
  }
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new InvalidArgumentError('length', 'a whole number >= 0', length)
  }
  return Math.min(length, size - offset)
}

/** How many blocks a disk has; the last one may be short. */
export function blockCount(size: number, blockSize: number): number {
  return Math.ceil(size / blockSize)
}

/** First block of a byte range. */
export function firstBlock(offset: number, blockSize: number): number {
  return Math.floor(offset / blockSize)
}

/** The block after the last one that a byte range touches; equals {@link firstBlock} for length 0 at a block's start. */
export function endBlock(offset: number, length: number, blockSize: number): number {
  return length === 0 ? firstBlock(offset, blockSize) : Math.floor((offset + length - 1) / blockSize) + 1
}
