import { COMMAND, REQUEST_MAGIC } from '../../../src/adapters/nbd/codes.ts'
import { RequestReader } from '../../../src/adapters/nbd/transmission.ts'
import { readCuts, withCuts } from '../cuts.ts'
import { type FuzzTarget, join, must } from '../target.ts'

/** A payload above this is skipped, as a server does with what it does not allow. */
const LARGEST_PAYLOAD = 64

/** The requests of an NBD client: the same events whole, in slices, and with payloads put directly to their place. */
export const nbdRequests: FuzzTarget = {
  name: 'nbd-requests',
  seeds: [
    withCuts(
      [9],
      join([request(COMMAND.READ, 4096), request(COMMAND.WRITE, 5), Buffer.from('hello'), request(COMMAND.FLUSH, 0)]),
    ),
    withCuts([28, 1], join([request(COMMAND.WRITE, 70), new Uint8Array(70), request(COMMAND.DISC, 0)])),
    withCuts([], join([request(COMMAND.WRITE, 0), request(9, 2 ** 32 - 1)])),
  ],
  words: [request(COMMAND.WRITE, 3), request(COMMAND.READ, 1).subarray(0, 4)],
  run(bytes) {
    const { stream, slices } = readCuts(bytes)
    const expected = events([stream], 'receive')
    for (const way of ['receive', 'place'] as const) {
      const actual = events(slices, way)
      must(actual.join() === expected.join(), `${way}: ${actual.join()} is ${expected.join()}`)
    }
  },
}

function request(command: number, length: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(28))
  view.setUint32(0, REQUEST_MAGIC)
  view.setUint16(6, command)
  view.setUint32(8, 0x01020304)
  view.setUint32(20, 4096)
  view.setUint32(24, length)
  return new Uint8Array(view.buffer)
}

/** What the reader tells, in words. */
function events(slices: readonly Uint8Array[], way: 'receive' | 'place'): string[] {
  const reader = new RequestReader()
  const told: string[] = []
  let payload: Uint8Array | undefined
  for (const slice of slices) {
    for (let at = 0; at < slice.length; ) {
      const place = way === 'place' ? reader.place : undefined
      const part = slice.subarray(at, place ? at + place.length : undefined)
      place?.set(part)
      const event = place ? reader.placed(part.length) : reader.receive(part)
      at += place ? part.length : reader.consumed
      must(event !== 'more' || at === slice.length, 'all bytes are taken before more are wanted')
      if (event === 'broken') return [...told, event]
      if (event === 'payload') {
        told.push(payload ? Buffer.from(payload).toString('hex') : 'skipped')
        payload = undefined
      }
      if (event !== 'request') continue
      const { command, flags, cookieHigh, cookieLow, offset, length } = reader.request!
      told.push([command, flags, cookieHigh, cookieLow, offset, length].join(' '))
      if (command !== COMMAND.WRITE || length === 0) continue
      if (length > LARGEST_PAYLOAD) reader.skipPayload()
      else {
        payload = new Uint8Array(length)
        reader.placePayload(payload)
      }
    }
  }
  return [...told, reader.inside ? 'inside' : 'between']
}
