import { systemClock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import { encodeError } from '../errors/wire.ts'
import { EarlyEvents } from './early-events.ts'
import type { OpfsBackend } from './opfs-backend.ts'
import { HandleBackend, hasSyncHandles } from './opfs-handle.ts'
import type { NumberedRequest, OpfsReply, OpfsRequest } from './opfs-protocol.ts'

/** The part of a port or worker scope that serving needs. */
export interface ServingPort {
  onmessage: ((event: MessageEvent) => unknown) | null
  postMessage(message: OpfsReply, transfer: Transferable[]): void
}

/** Answers the requests of {@link OpfsRequest} for one disk, in a dedicated worker. For bundlers that need a worker file of one's own. */
export function serveOpfs(port: ServingPort): void {
  let backend: OpfsBackend | undefined
  let last: Promise<void> = Promise.resolve()

  const carryOut = async (request: OpfsRequest): Promise<Omit<OpfsReply, 'id'>> => {
    if (request.op === 'open') {
      if (!hasSyncHandles()) throw new StorageError('NOT_SUPPORTED', 'There are no sync access handles in this worker.')
      // Nothing here emits events: warnings come from the page's side, which knows what was asked for.
      backend = await HandleBackend.open(request.name, { ...request, clock: systemClock, events: new EarlyEvents() })
      return { size: backend.size }
    }
    if (!backend) throw new StorageError('CLOSED')
    switch (request.op) {
      case 'read':
        await backend.read(new Uint8Array(request.buffer, 0, request.length), request.offset)
        return { buffer: request.buffer }
      case 'write':
        await backend.write(new Uint8Array(request.buffer, 0, request.length), request.offset)
        return { buffer: request.buffer }
      case 'flush':
        await backend.flush()
        return {}
      case 'release':
        await backend.release()
        return {}
      case 'close':
        await backend.close()
        return {}
    }
  }

  const answer = async ({ id, request }: NumberedRequest): Promise<void> => {
    try {
      const reply = await carryOut(request)
      port.postMessage({ id, ...reply }, reply.buffer ? [reply.buffer] : [])
    } catch (error) {
      port.postMessage({ id, error: encodeError(error) }, [])
    }
  }

  port.onmessage = ({ data }: MessageEvent<NumberedRequest>) => {
    // One after the other: a request that has to take the file again must not be overtaken.
    last = last.then(() => answer(data))
  }
}
