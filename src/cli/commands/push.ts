import { StorageError } from '../../errors/storage-error.ts'
import type { Output } from '../output.ts'
import { callPeer, type LinkOptions, part } from '../peer-link.ts'
import { type SourceOptions, SourceSide } from '../source-side.ts'

/** What `blockferry push` was asked for. */
export interface PushOptions extends SourceOptions {
  readonly link: LinkOptions
}

/**
 * Moves a disk to a peer that waits for one with `pull --listen`; clients use it here until then. When it fails, the disk stays here.
 * @throws StorageError with the failure, once everything is closed
 */
export async function push(options: PushOptions, output: Output, signal: AbortSignal): Promise<void> {
  const source = await SourceSide.open(options, output)
  let failure: unknown
  try {
    const connection = await callPeer(options.link, signal)
    try {
      const live = await source.send(connection, signal)
      await source.retire()
      source.report('push', live)
    } catch (error) {
      failure = error
    }
    await part(connection, signal.aborted && failure !== undefined ? interrupted(signal) : failure)
  } catch (error) {
    failure = error
  }
  await source.close(signal.aborted && failure !== undefined ? interrupted(signal) : failure)
}

function interrupted(signal: AbortSignal): StorageError {
  return new StorageError('ABORTED', 'interrupted; the disk stays here', { cause: signal.reason })
}
