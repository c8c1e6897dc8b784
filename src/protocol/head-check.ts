import { COMMAND } from './packets/commands.ts'

/** Bytes of a packet that holds data which are guarded with its head: more than the longest of these heads, so less than a hundred bytes are looked at. */
const GUARDED_DATA_BYTES = 64

/** Commands of packets that hold data of a disk behind a short head, or nothing at all. Data is checked by its own digests. */
const DATA_COMMANDS: ReadonlySet<number> = new Set([
  COMMAND.writeAt,
  COMMAND.writeAtWithMap,
  COMMAND.writeNewer,
  COMMAND.writeChecked,
  COMMAND.writePatch,
  COMMAND.readAtResponse,
  COMMAND.readByHashResponse,
  COMMAND.padding,
])

/** CRC-32C (Castagnoli, as in RFC 3720), by the byte. Reflected polynomial. */
const TABLE = new Int32Array(256).map((_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1
  return rest
})

/**
 * CRC-32C over bytes `[from, to)`: any flipped bit and any run of 32 damaged ones is noticed. `before`: the checksum of what comes in front of them.
 * One table and a byte at a time, since heads are short; for data there are digests.
 */
export function headCheck(bytes: Uint8Array, from = 0, to = bytes.length, before = 0): number {
  let rest = ~before
  for (let at = from; at < to; at++) rest = TABLE[(rest ^ bytes[at]!) & 0xff]! ^ (rest >>> 8)
  return ~rest >>> 0
}

/** How many bytes of a payload are guarded with its frame's head: all of a packet that has no data. */
export function guardedBytes(command: number, length: number): number {
  return DATA_COMMANDS.has(command) ? Math.min(length, GUARDED_DATA_BYTES) : length
}
