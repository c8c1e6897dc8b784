const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** A size as people write it, in bytes: `65536`, `64K`, `64KiB`, `1.5G`, and the decimal `64kB`; undefined when it is none or not whole. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgtp])(ib|b)?|b)?$/i.exec(text.trim())
  if (!match) return undefined
  const [, number, letter, suffix] = match
  const power = letter === undefined ? 0 : 'kmgtp'.indexOf(letter.toLowerCase()) + 1
  // As dd and qemu-img read them: K and KiB are 1024, only kB is 1000.
  const size = Number(number) * (suffix?.toLowerCase() === 'b' ? 1000 : 1024) ** power
  return Number.isSafeInteger(size) ? size : undefined
}

/** Bytes per second as people write it: a size, with or without `/s`. */
export function parseRate(text: string): number | undefined {
  return parseSize(text.trim().replace(/\/s$/i, ''))
}

/** A size with three digits and a binary unit. */
export function formatSize(bytes: number): string {
  let unit = 0
  // 1023.5 and more would be printed with four digits.
  for (; bytes >= 999.5 && unit < BINARY.length - 1; unit++) bytes /= 1024
  const digits = Number.isInteger(bytes) || bytes >= 99.5 ? 0 : bytes >= 9.95 ? 1 : 2
  return `${bytes.toFixed(digits)} ${BINARY[unit]}`
}

/** A duration as people read it: `0.8 ms`, `12 s`, `3 min 05 s`, `2 h 10 min`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${ms < 9.95 ? ms.toFixed(1) : ms.toFixed(0)} ms`
  const seconds = ms / 1000
  if (seconds < 59.5) return `${seconds < 9.95 ? seconds.toFixed(1) : seconds.toFixed(0)} s`
  const pad = (value: number) => String(value).padStart(2, '0')
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`
  const minutes = Math.round(whole / 60)
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`
}
