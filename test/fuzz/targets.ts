import type { FuzzTarget } from './target.ts'
import { expansion } from './targets/expansion.ts'
import { frames } from './targets/frames.ts'
import { groupRecord } from './targets/group-record.ts'
import { gzip } from './targets/gzip.ts'
import { journalPlace } from './targets/journal-place.ts'
import { journalRecords } from './targets/journal-records.ts'
import { messagePipe } from './targets/message-pipe.ts'
import { nbdHandshake } from './targets/nbd-handshake.ts'
import { nbdRequests } from './targets/nbd-requests.ts'
import { packets } from './targets/packets.ts'
import { pairingTexts } from './targets/pairing-texts.ts'

/** Everything that reads bytes of others. */
export const targets: readonly FuzzTarget[] = [
  packets,
  frames,
  expansion,
  gzip,
  nbdHandshake,
  nbdRequests,
  pairingTexts,
  messagePipe,
  journalRecords,
  journalPlace,
  groupRecord,
]
