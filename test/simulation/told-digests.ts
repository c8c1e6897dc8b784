import type { Journal } from '../../src/migration/journal/journal.ts'
import { DIGEST_BYTES } from '../../src/storage/block-hasher.ts'
import type { HardwareDisk } from './hardware-disk.ts'
import { demand } from './world.ts'

/** What a journal says of its disk when it is opened is so. To be called before anything is written. */
export function checkToldDigests({ digests, ownership }: Journal, { bytes, name }: HardwareDisk): void {
  // Of a disk that came before all of it was here, some digests are those of the other side.
  if (ownership?.missing || ownership?.settling) return
  const stored = digests.hash(bytes)
  for (let block = digests.known.nextSet(0); block >= 0; block = digests.known.nextSet(block + 1)) {
    const isSame = digests.digestAt(block)!.every((byte, at) => byte === stored[block * DIGEST_BYTES + at])
    demand('what is told is so', isSame, `The journal knows block ${block} of the ${name} by another digest.`)
  }
}
