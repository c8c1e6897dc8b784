import type { EncodedPacket } from '../../../src/protocol/packets/encoded-packet.ts'

/** Bytes of hex digits; spaces are for the eye. */
export function hex(...groups: string[]): Uint8Array {
  const digits = groups.join('').replace(/\s/g, '')
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex: ${digits}`)
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

/** Hex digits of bytes. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** All bytes of an encoded packet in one. */
export function joined({ head, data }: EncodedPacket): Uint8Array {
  return new Uint8Array(Buffer.concat(data === undefined ? [head] : [head, data]))
}
