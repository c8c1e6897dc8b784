import type { Extent } from '../../storage/provider.ts'
import { STATUS_EXTENTS } from './limits.ts'
import type { AllocationRange } from './replies.ts'

/**
 * Data and holes of `[offset, offset + length)`, in turns from its start, from the extents of that range. Cut after `STATUS_EXTENTS` ranges.
 */
export function allocationOf(extents: readonly Extent[], offset: number, length: number): AllocationRange[] {
  const ranges: { length: number; hole: boolean }[] = []
  const end = offset + length
  let at = offset
  const add = (until: number, hole: boolean) => {
    if (until <= at) return
    const last = ranges.at(-1)
    if (last?.hole === hole) last.length += until - at
    else ranges.push({ length: until - at, hole })
    at = until
  }
  for (const extent of extents) {
    if (ranges.length >= STATUS_EXTENTS) break
    add(Math.min(extent.offset, end), true)
    add(Math.min(extent.offset + extent.length, end), false)
  }
  if (ranges.length < STATUS_EXTENTS) add(end, true)
  return ranges.slice(0, STATUS_EXTENTS)
}
