import { DECODED_BYTES, READ_BYTES, REQUEST_COST_BYTES } from './limits.ts'
import type { Packet } from './packets/packet.ts'
import { PIECE_BYTES } from './packets/write-patch.ts'

/** What it takes to hold and handle a request, in bytes: what came, what it may grow to, what its answer will hold. */
export function requestCost(packet: Packet, payloadBytes: number): number {
  const bytes = payloadBytes + REQUEST_COST_BYTES
  if (packet.kind === 'read-at') return bytes + Math.min(packet.length, READ_BYTES)
  if (packet.kind === 'write-patch') return bytes + Math.min(packet.maps.length * 8 * PIECE_BYTES, DECODED_BYTES)
  if (packet.kind !== 'write-at' && packet.kind !== 'write-newer') return bytes
  const write = packet.kind === 'write-newer' ? packet.write : packet
  if (write.form === 'rle' || write.form === 'gzip') return bytes + DECODED_BYTES
  if (write.form === 'zeroes' && write.segments.length > 0) return bytes + Math.min(write.length, DECODED_BYTES)
  return bytes
}
