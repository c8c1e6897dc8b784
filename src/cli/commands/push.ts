import type { SentDisk } from '../../devices/send-disk.ts'
import { StorageError } from '../../errors/storage-error.ts'
import type { Output } from '../output.ts'
import { Patience } from '../patience.ts'
import { peerText } from '../peer-address.ts'
import { callPeer, type LinkOptions, part, partForGood } from '../peer-link.ts'
import { type SourceOptions, SourceSide } from '../source-side.ts'
import { tellFailure } from '../visitors.ts'
import { interruptedText } from './serve.ts'

/** What `blockferry push` was asked for. */
export interface PushOptions extends SourceOptions {
  readonly link: LinkOptions
  /** Seconds that a lost peer is called again. */
  readonly retry: number
}

/**
 * Moves a disk to a peer that waits for one with `pull --listen`; clients use it here until then. A link that is lost is made again for a while, and after
 * a kill the same call goes on from the journal. When it fails before the disk was given away, the disk stays here.
 * @throws StorageError with the failure, once everything is closed
 */
export async function push(options: PushOptions, output: Output, signal: AbortSignal): Promise<void> {
  const source = await SourceSide.open(options, options.link.dialect, output)
  let failure: unknown
  try {
    source.report('push', await pushUntilDone(source, options, output, signal))
  } catch (error) {
    failure = signal.aborted ? new StorageError('ABORTED', interruptedText(source), { cause: signal.reason }) : error
  }
  await source.close(failure)
}

async function pushUntilDone(
  source: SourceSide,
  { link, retry }: PushOptions,
  output: Output,
  signal: AbortSignal,
): Promise<SentDisk> {
  const canGoOn = link.dialect !== 'silo'
  const patience = new Patience(canGoOn ? retry * 1000 : 0)
  // Who is called for the first time should be there, unless the disk is half given away.
  let hasMet = source.isReleased
  for (;;) {
    let failure: unknown
    try {
      const connection = await callPeer(link, signal)
      await source.disk.beside?.meets(peerText(link.address))
      try {
        const sent = await source.send(connection, signal, () => {
          hasMet = true
          patience.renew()
        })
        if (sent.acknowledged || !canGoOn) {
          await partForGood(connection)
          return sent
        }
        failure = new StorageError('PEER_LOST', 'the link was lost behind the last word', { cause: sent.reason })
      } catch (error) {
        failure = error
      }
      await part(connection, signal.aborted ? new StorageError('ABORTED', 'the source was interrupted') : failure)
    } catch (error) {
      failure = error
    }
    if (!hasMet) throw failure
    await patience.pause(failure, signal)
    tellFailure(output, 'retry', 'calling again', failure)
  }
}
