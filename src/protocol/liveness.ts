import type { Clock } from '../async/clock.ts'
import { errorCode, StorageError } from '../errors/storage-error.ts'
import { LOST_AFTER_MS, PING_AFTER_MS } from './limits.ts'
import type { ProtocolRW } from './protocol-rw.ts'

/** Questions that must have stayed without an answer before a peer is lost: a machine that slept for hours has asked nothing meanwhile. */
const UNANSWERED_PINGS = 2

/**
 * Asks after a silence whether the peer is there, and ends the connection after a long one. Timers that fire late, once a minute in hidden
 * tabs or hours later after sleep, lose no peer: it always gets the time between two looks to answer.
 */
export function watchPeer(rw: ProtocolRW, control: number, clock: Clock): void {
  let heardAt = clock.now()
  let unanswered = 0
  rw.onArrival = () => {
    heardAt = clock.now()
    unanswered = 0
  }
  const stop = new AbortController()
  void rw.ended.then(() => stop.abort())
  const watch = async () => {
    for (;;) {
      await clock.sleep(PING_AFTER_MS, stop.signal)
      const silentMs = clock.now() - heardAt
      if (silentMs < PING_AFTER_MS) continue
      if (silentMs >= LOST_AFTER_MS && unanswered >= UNANSWERED_PINGS) {
        rw.abort(new StorageError('PEER_LOST', 'The peer has been silent for too long.'))
      } else {
        unanswered++
        rw.request(control, { kind: 'ping' }, { urgent: true }).catch(() => {}) // The end of the connection says it better.
      }
    }
  }
  watch().catch((error: unknown) => {
    if (errorCode(error) !== 'ABORTED') rw.abort(error)
  })
}
