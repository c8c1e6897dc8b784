import { encodeFrame, FRAME_HEADER_BYTES, GUARDED_HEADER_BYTES } from './frame.ts'
import { ALIGNMENT_BYTES } from './limits.ts'
import { encodePadding } from './packets/padding.ts'

/** Longest padding frame there is. */
export const PADDING_FRAME_BYTES = ALIGNMENT_BYTES + GUARDED_HEADER_BYTES

const frames = { plain: new Map<number, Uint8Array>(), guarded: new Map<number, Uint8Array>() }

/** A frame to skip that moves what comes behind it by `gap` bytes, or by `ALIGNMENT_BYTES` more where no frame is so short. Shared. */
export function paddingFrame(gap: number, isGuarded = false): Uint8Array {
  // Header and command: no frame is shorter.
  const least = (isGuarded ? GUARDED_HEADER_BYTES : FRAME_HEADER_BYTES) + 1
  const length = gap < least ? gap + ALIGNMENT_BYTES : gap
  const kept = isGuarded ? frames.guarded : frames.plain
  let frame = kept.get(length)
  if (!frame) {
    frame = encodeFrame({ dev: 0, id: 0 }, encodePadding({ kind: 'padding', bytes: length - least }), isGuarded)[0]!
    kept.set(length, frame)
  }
  return frame
}
