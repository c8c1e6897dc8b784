const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** A count with thousands separated: `16,384`. */
export function formatCount(count: number): string {
  return WHOLE.format(count)
}

/** `1 block`, `2 blocks`. */
export function formatPlural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** Bytes in binary units with at most three digits: `64 MiB`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes)
  let unit = 0
  while (value >= 1023.5 && unit < BINARY_UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${formatDigits(value, unit === 0)} ${BINARY_UNITS[unit]}`
}

/** Bytes per second: `31.9 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`
}

/** A stretch of time for people: `< 1 ms`, `3 ms`, `1.4 s`, `2 min 5 s`. */
export function formatDuration(ms: number): string {
  if (ms < 1) return '< 1 ms'
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** Bytes as lower-case hexadecimal digits. */
export function formatHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function formatDigits(value: number, whole: boolean): string {
  if (whole || value >= 99.95 || Number.isInteger(value)) return WHOLE.format(value)
  return value.toFixed(value >= 9.995 ? 1 : 2).replace(/\.?0+$/, '')
}
