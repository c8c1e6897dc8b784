import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'

/** UTF-8 of a text that a packet carries; one that is longer than a peer accepts is refused. */
export function encodeText(argument: string, text: string, limit: number): Uint8Array {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length <= limit) return bytes
  throw new InvalidArgumentError(argument, `at most ${limit} bytes of UTF-8`, bytes.length)
}
