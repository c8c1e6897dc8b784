import { HOLE_BYTES } from './limits.ts'

/** A stretch of a buffer that is all zeroes, or is to be sent as data. */
export interface Stretch {
  readonly from: number
  readonly to: number
  readonly zero: boolean
}

/** Bytes looked at as one: the smallest page, and the smallest piece a hole can be made of. */
const PIECE_BYTES = 4096

/**
 * Divides a buffer into data and holes of at least `HOLE_BYTES`; undefined when it is all data. Borders lie at multiples of 4 KiB from its start.
 *
 * Data costs one look for each 4 KiB: a piece whose first word is not zero is no hole.
 */
export function splitZeroes(words: Int32Array, length: number): Stretch[] | undefined {
  let stretches: Stretch[] | undefined
  let dataFrom = 0
  let zeroFrom = -1
  const close = (at: number) => {
    if (zeroFrom >= 0 && at - zeroFrom >= HOLE_BYTES) {
      stretches ??= []
      if (zeroFrom > dataFrom) stretches.push({ from: dataFrom, to: zeroFrom, zero: false })
      stretches.push({ from: zeroFrom, to: at, zero: true })
      dataFrom = at
    }
    zeroFrom = -1
  }
  // A last piece that is no whole number of words counts as data: what lies behind it in the buffer is not ours.
  const whole = length % 4 === 0 ? length : length - (length % PIECE_BYTES)
  for (let at = 0; at < whole; at += PIECE_BYTES) {
    if (!isZero(words, at / 4, Math.min(at + PIECE_BYTES, whole) / 4)) close(at)
    else if (zeroFrom < 0) zeroFrom = at
  }
  close(whole)
  if (stretches && dataFrom < length) stretches.push({ from: dataFrom, to: length, zero: false })
  return stretches
}

function isZero(words: Int32Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (words[at] !== 0) return false
  return true
}
