import { expandWrite } from '../../../src/protocol/packets/expand-write.ts'
import { decodePacket, encodePacket, type Packet } from '../../../src/protocol/packets/packet.ts'
import { hex } from '../../protocol/packets/hex.ts'
import { settle, TEST_LIMIT } from '../../protocol/packets/outcome.ts'
import conversation from '../../vectors/conversation.json' with { type: 'json' }
import vectors from '../../vectors/packets.json' with { type: 'json' }
import { allocatedBy } from '../allocation.ts'
import { type FuzzTarget, join, must, mustEqual } from '../target.ts'
import { ourPackets } from './our-packets.ts'

const HEADER_BYTES = 12

/** What reading a packet may allocate beside the lists in it, which are copied. */
const SPARE_BYTES = 64

/** Every packet of both dialects: read, written again, read again, and what it brings expanded. */
export const packets: FuzzTarget = {
  name: 'packets',
  seeds: [
    ...vectors.map((vector) => hex(vector.hex)),
    ...conversation.frames.map(({ frame }) => hex(frame).subarray(HEADER_BYTES)),
    ...ourPackets.map(flat),
  ],
  run(bytes) {
    let packet: Packet | undefined
    const held = allocatedBy(() => {
      settle(() => {
        packet = decodePacket(bytes)
      })
    })
    must(held <= bytes.length + SPARE_BYTES, `reading ${bytes.length} bytes does not allocate ${held}`)
    if (!packet) return
    const again = flat(packet)
    mustEqual(flat(decodePacket(again)), again, 'a packet written, read and written')
    if (!SEVERAL_FORMS.has(packet.kind)) mustEqual(again, bytes, 'a packet read and written')
    expand(packet)
  },
}

/** A packet in one piece. */
export function flat(packet: Packet): Uint8Array {
  const { head, data } = encodePacket(packet)
  return data ? join([head, data]) : head
}

/** Where any number but 0 means yes, what follows belongs to a later version, or bytes mean nothing. */
const SEVERAL_FORMS: ReadonlySet<string> = new Set(['begin-response', 'hello', 'padding'])

function expand(packet: Packet): void {
  const write = packet.kind === 'write-newer' ? packet.write : packet
  if (write.kind !== 'write-at' || write.form === 'hash' || write.form === 'you-already-have') return
  if (write.form === 'gzip') return
  const held = allocatedBy(() => {
    settle(() => {
      const { length } = expandWrite(write, TEST_LIMIT) as Uint8Array
      must(length <= TEST_LIMIT, `a write that may become ${TEST_LIMIT} bytes does not become ${length}`)
    })
  })
  must(held <= TEST_LIMIT, `expanding does not allocate ${held}`)
}
