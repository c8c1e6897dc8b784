import type { Extent, StorageProvider } from '../../src/storage/provider.ts'
import { clipLength } from '../../src/storage/range.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'

/** A memory disk that knows its holes to `granule` bytes, so that tiny disks have some. Looks at the bytes when asked. */
export class HoleyStorage<Inner extends StorageProvider = StorageProvider> extends StorageWrapper<Inner> {
  override extents: (offset: number, length: number) => Promise<readonly Extent[]>
  zeroAt?: (offset: number, length: number) => Promise<number>
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(inner: Inner, granule: number) {
    super(inner)
    if (inner.zeroAt) this.zeroAt = (offset, length) => inner.zeroAt!(offset, length)
    if (inner.writeAtSync) this.writeAtSync = (data, offset) => inner.writeAtSync!(data, offset)
    this.extents = async (offset, length) => {
      const bytes = new Uint8Array(clipLength(inner.size, offset, length))
      await inner.readAt(bytes, offset)
      const extents: { offset: number; length: number }[] = []
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(at + granule - ((offset + at) % granule), bytes.length)
        if (bytes.subarray(at, end).some((byte) => byte !== 0)) {
          const last = extents.at(-1)
          if (last && last.offset + last.length === offset + at) last.length += end - at
          else extents.push({ offset: offset + at, length: end - at })
        }
        at = end
      }
      return extents
    }
  }
}
