import { errorCode } from '../../../src/errors/storage-error.ts'
import { expandWrite } from '../../../src/protocol/packets/expand-write.ts'
import { decodePacket, type Packet } from '../../../src/protocol/packets/packet.ts'

/** What a stranger's payload may lead to; anything else is thrown on. */
export type Outcome = 'value' | 'MALFORMED' | 'LIMIT_EXCEEDED'

/** Bytes that a payload under test may grow to. */
export const TEST_LIMIT = 65536

/** Reads a payload and expands what it brings, as a receiver would; gzip is left alone. */
export function outcomeOf(payload: Uint8Array): Outcome {
  return settle(() => {
    const packet = decodePacket(payload)
    if (brings(packet) && packet.form !== 'gzip') checkLength(expandWrite(packet, TEST_LIMIT) as Uint8Array)
  })
}

/** As {@link outcomeOf}, gzip too. */
export async function outcomeWithGzip(payload: Uint8Array): Promise<Outcome> {
  try {
    const packet = decodePacket(payload)
    if (brings(packet)) checkLength(await expandWrite(packet, TEST_LIMIT))
    return 'value'
  } catch (error) {
    return allowed(error)
  }
}

/** Runs `work` and says how it ended. */
export function settle(work: () => void): Outcome {
  try {
    work()
    return 'value'
  } catch (error) {
    return allowed(error)
  }
}

function brings(packet: Packet) {
  return packet.kind === 'write-at' && packet.form !== 'hash' && packet.form !== 'you-already-have'
}

function checkLength(bytes: Uint8Array): void {
  if (bytes.length > TEST_LIMIT) throw new Error(`became ${bytes.length} bytes`)
}

function allowed(error: unknown): Outcome {
  const code = errorCode(error)
  if (code === 'MALFORMED' || code === 'LIMIT_EXCEEDED') return code
  throw error
}
