import type { Stats } from 'node:fs'
import { type FileHandle, readFile } from 'node:fs/promises'

/** Every block device answers reads of whole sectors of this size. */
const PROBE_BYTES = 4096

/**
 * Bytes of an open block device. Node has neither the ioctl nor a seek to the end, and `stat` says 0: Linux tells in sysfs, elsewhere
 * the end is found by reading, in about 40 steps.
 */
export async function blockDeviceSize(handle: FileHandle, stats: Stats): Promise<number> {
  return (await sizeInSysfs(stats.rdev)) ?? (await probeSize(handle))
}

/** The size Linux reports, always in units of 512 bytes whatever the sector size (kernel.org, ABI/stable/sysfs-block). */
async function sizeInSysfs(device: number): Promise<number | undefined> {
  // The layout of dev_t in glibc's sys/sysmacros.h, as far as it fits 32 bits.
  const major = (device >>> 8) & 0xfff
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00)
  try {
    const sectors = Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'latin1'))
    return Number.isSafeInteger(sectors * 512) && sectors > 0 ? sectors * 512 : undefined
  } catch {
    return undefined
  }
}

/** The end of what can be read, to the byte: doubling until a read finds nothing, then halving. */
export async function probeSize(handle: FileHandle): Promise<number> {
  const sector = new Uint8Array(PROBE_BYTES)
  const readable = async (index: number) => (await handle.read(sector, 0, PROBE_BYTES, index * PROBE_BYTES)).bytesRead
  let beyond = 1
  while ((await readable(beyond)) > 0) beyond *= 2
  let last = 0
  while (beyond - last > 1) {
    const middle = last + Math.floor((beyond - last) / 2)
    if ((await readable(middle)) > 0) last = middle
    else beyond = middle
  }
  return last * PROBE_BYTES + (await readable(last))
}
