import { COMMAND, COMMAND_FLAG, ERRNO } from './codes.ts'
import { REQUEST_BYTES } from './limits.ts'
import { RequestFailure } from './request-failure.ts'
import type { Request } from './transmission.ts'

/** What a request is checked against. */
export interface RequestTerms {
  /** Bytes of the disk. */
  readonly size: number
  readonly readOnly: boolean
  /** Structured replies were agreed on. */
  readonly structured: boolean
  /** The client selected the allocation context. */
  readonly allocation: boolean
}

const { FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO } = COMMAND_FLAG

/** The flags of each command. `FUA` goes with all of them, as existing clients set it anywhere. */
const FLAGS = new Map<number, number>([
  [COMMAND.READ, FUA | DF],
  [COMMAND.WRITE, FUA],
  [COMMAND.FLUSH, FUA],
  [COMMAND.TRIM, FUA],
  [COMMAND.WRITE_ZEROES, FUA | NO_HOLE | FAST_ZERO],
  [COMMAND.BLOCK_STATUS, FUA | REQ_ONE],
])

/** Commands that carry as many bytes as their length says, in one direction or the other. */
const WITH_DATA = new Set<number>([COMMAND.READ, COMMAND.WRITE])
const WRITING = new Set<number>([COMMAND.WRITE, COMMAND.WRITE_ZEROES, COMMAND.TRIM])
const GROWING = new Set<number>([COMMAND.WRITE, COMMAND.WRITE_ZEROES])

/** Why a request must not be carried out, or undefined: asked as soon as the header is there, so that no payload is kept in vain. */
export function refusalOf(request: Request, terms: RequestTerms): RequestFailure | undefined {
  const { command, flags, offset, length } = request
  const known = FLAGS.get(command)
  if (known === undefined) return invalid(`command ${command} is not known here`)
  const allowed = terms.structured ? known : known & ~DF
  if ((flags & ~allowed) !== 0) return invalid(`flags ${flags} do not go with command ${command}`)
  if (command === COMMAND.FLUSH) return undefined
  if (WRITING.has(command) && terms.readOnly) return new RequestFailure(ERRNO.EPERM, 'the export is read-only')
  if (WITH_DATA.has(command) && length > REQUEST_BYTES) return invalid(`${length} bytes are more than ${REQUEST_BYTES}`)
  if (offset + length > terms.size) {
    const errno = GROWING.has(command) ? ERRNO.ENOSPC : ERRNO.EINVAL
    return new RequestFailure(errno, `${length} bytes at ${offset} pass the end at ${terms.size}`)
  }
  if (command !== COMMAND.BLOCK_STATUS) return undefined
  if (!terms.allocation) return invalid('no metadata context was selected')
  return length === 0 ? invalid('an empty range has no status') : undefined
}

function invalid(message: string): RequestFailure {
  return new RequestFailure(ERRNO.EINVAL, message)
}
