/** Bytes from lines of hexadecimal. Spaces do not count, `"text"` stands for its ASCII, and `# …` is a comment. */
export function hex(lines: string): Uint8Array {
  const bytes: number[] = []
  for (const line of lines.split('\n')) {
    for (const [, text, digits] of line.replace(/#.*$/, '').matchAll(/"([^"]*)"|([0-9a-f]{2})/g)) {
      if (digits !== undefined) bytes.push(Number.parseInt(digits, 16))
      else for (const character of text!) bytes.push(character.charCodeAt(0))
    }
  }
  return Uint8Array.from(bytes)
}

/** Several pieces as one. */
export function join(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}

/** For comparisons that are read by people. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
