/** A packet as bytes in two pieces, so that the data of a block is never copied to put a few bytes before it. */
export interface EncodedPacket {
  /** Command byte and fields, in a buffer of its own. */
  readonly head: Uint8Array
  /** What follows the head: the very view that the packet carried, borrowed until it was sent. */
  readonly data: Uint8Array | undefined
}

/** A packet that is all head. */
export function headOnly(head: Uint8Array): EncodedPacket {
  return { head, data: undefined }
}

/** A packet of nothing but its command byte. */
export function commandOnly(command: number): EncodedPacket {
  return headOnly(Uint8Array.of(command))
}
