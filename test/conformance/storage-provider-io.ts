import type { StorageProvider } from '../../src/storage/provider.ts'
import { expectSame } from './case.ts'

/** Not a multiple of any block, record or sector size, and a few 64 KiB records long. */
export const SIZE = 300_001

/** Around what a record or a staging slot may be: the places where a provider splits a range. */
export const EDGE = 65_536

/** Bytes that differ from their neighbours and are never zero, so that a shift or a hole shows. */
export function pattern(length: number, salt = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => 1 + ((index * 7 + salt * 31) % 251))
}

/** Reads a range over a non-zero background, so that bytes left alone show; fails on a wrong count. */
export async function readBack(disk: StorageProvider, offset: number, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length).fill(0xee)
  expectSame(await disk.readAt(target, offset), length, `count of a read at ${offset}`)
  return target
}

/** Writes and fails on a wrong count. */
export async function writeAll(disk: StorageProvider, data: Uint8Array, offset: number): Promise<void> {
  expectSame(await disk.writeAt(data, offset), data.length, `count of a write at ${offset}`)
}
