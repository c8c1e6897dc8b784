import { systemClock } from '../../src/async/clock.ts'
import { encodeError } from '../../src/errors/wire.ts'
import { type HeldLock, takeWebLock } from '../../src/sources/web-lock.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { deleteDisks } from './disks.ts'
import { DISKS_LOCK } from './leftovers.ts'
import type { FromMover, ToMover } from './messages.ts'
import { MoveRun } from './move-run.ts'

/** The part of a dedicated worker's global scope that is used here; the page's types describe a window. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToMover>) => void) | null
  postMessage(message: FromMover, transfer?: Transferable[]): void
}

/** A reload frees the lock of the page before only a moment later. */
const LOCK_TIMEOUT_MS = 2000

const scope = self as unknown as WorkerScope

let run: MoveRun | undefined
/** The source of a cancelled run, where it lies in memory. */
let kept: StorageProvider | undefined

scope.onmessage = ({ data }) => {
  if (data.type === 'cancel') run?.cancel()
  else if (data.type === 'recycle') run?.recycle(data.blocks)
  else void alone(() => (data.type === 'start' ? start(data) : remove()))
}

async function start({ settings, reuse, intervalMs }: Extract<ToMover, { type: 'start' }>): Promise<void> {
  const memory = reuse && settings.source === 'memory' ? kept : undefined
  if (!memory) await kept?.close()
  kept = undefined
  const send = (message: FromMover, transfer: Transferable[] = []) => scope.postMessage(message, transfer)
  run = new MoveRun({ settings, reuse, intervalMs, memory, send })
  try {
    kept = await run.run()
  } finally {
    run = undefined
  }
}

async function remove(): Promise<void> {
  await kept?.close()
  kept = undefined
  await deleteDisks()
  scope.postMessage({ type: 'deleted' })
}

/** Works on the demo's disks while no other tab does. */
async function alone(work: () => Promise<void>): Promise<void> {
  let lock: HeldLock | undefined
  try {
    lock = await takeWebLock(DISKS_LOCK, { timeoutMs: LOCK_TIMEOUT_MS, clock: systemClock })
    await work()
  } catch (error) {
    scope.postMessage({ type: 'failed', error: encodeError(error), remains: undefined })
  } finally {
    await lock?.release()
  }
}
