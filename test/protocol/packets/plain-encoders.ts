/** Unsigned LEB128. */
export function leb128(value: number | bigint): number[] {
  let rest = BigInt(value)
  const bytes: number[] = []
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return [...bytes, Number(rest)]
}

/** The rules of Silo's RLE, byte by byte and with no thought of speed. */
export function plainRle(data: Uint8Array): number[] {
  const tokens: number[] = []
  let literal: number[] = []
  const endLiteral = () => {
    if (literal.length > 0) tokens.push(...leb128(literal.length * 2), ...literal)
    literal = []
  }
  for (let start = 0, end = 0; start < data.length; start = end) {
    while (end < data.length && data[end] === data[start]) end++
    if (end - start >= (end === data.length ? 5 : 4)) {
      endLiteral()
      tokens.push(...leb128((end - start) * 2 + 1), data[start]!)
    } else literal.push(...data.subarray(start, end))
  }
  endLiteral()
  return tokens
}

/** The rules of Silo's zeroes, byte by byte. */
export function plainZeroes(data: Uint8Array): number[] {
  const bytes: number[] = []
  const endsAt = (at: number) => {
    const next = data.subarray(at, at + 12)
    return next.every((byte) => byte === 0) && (next.length === 12 || at + next.length === data.length)
  }
  for (let start = 0; start < data.length; start++) {
    if (data[start] === 0) continue
    let end = start + 1
    while (end < data.length && !endsAt(end)) end++
    bytes.push(...leb128(start * 2), ...leb128((end - start) * 2), ...data.subarray(start, end))
    start = end
  }
  return bytes
}
