import { encodeFrame, FRAME_HEADER_BYTES } from './frame.ts'
import { ALIGNMENT_BYTES } from './limits.ts'
import { encodePadding } from './packets/padding.ts'

/** Header and command: no frame is shorter. */
const LEAST_BYTES = FRAME_HEADER_BYTES + 1

/** Longest padding frame there is. */
export const PADDING_FRAME_BYTES = ALIGNMENT_BYTES + LEAST_BYTES - 1

const frames = new Map<number, Uint8Array>()

/** A frame to skip that moves what comes behind it by `gap` bytes, or by `ALIGNMENT_BYTES` more where no frame is so short. Shared. */
export function paddingFrame(gap: number): Uint8Array {
  const length = gap < LEAST_BYTES ? gap + ALIGNMENT_BYTES : gap
  let frame = frames.get(length)
  if (!frame) {
    frame = encodeFrame({ dev: 0, id: 0 }, encodePadding({ kind: 'padding', bytes: length - LEAST_BYTES }))[0]!
    frames.set(length, frame)
  }
  return frame
}
