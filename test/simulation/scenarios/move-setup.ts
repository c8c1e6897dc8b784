import type { SendDiskOptions } from '../../../src/devices/send-disk.ts'
import type { FaultKind } from '../faults.ts'
import type { World } from '../world.ts'

const FAULTS: readonly FaultKind[] = [
  ...(['cut', 'stall', 'half-open', 'read fails', 'write fails', 'flush fails', 'short read', 'short write'] as const),
  ...(['torn write', 'full', 'slow', 'hide', 'abort'] as const),
]

/** Only what is written down survives these. */
const DEADLY: readonly FaultKind[] = ['kill source', 'kill destination', 'power of source', 'power of destination']

/** How the two sides are set up. */
export interface MoveSetup {
  readonly journals: boolean
  readonly secret: Uint8Array | undefined
  readonly windowBytes: number | undefined
  readonly volatile: boolean
  readonly reconnectMs: number
  readonly options: Partial<SendDiskOptions>
}

/** Decides how it is, and which faults there are. */
export function planMove(world: World): MoveSetup {
  const { plan, geometry } = world
  const journals = plan.below(2) === 1
  const setup: MoveSetup = {
    journals,
    secret: plan.below(24) === 23 ? new Uint8Array(16).fill(5) : undefined,
    windowBytes: plan.pick([undefined, 2 * geometry.blockSize, undefined, 600]),
    volatile: plan.below(3) === 2,
    reconnectMs: plan.pick([0, 5000, 600_000]),
    options: {
      strategy: plan.pick(['pre-copy', 'auto', 'post-copy', 'pre-copy']),
      runBytes: plan.pick([2 ** 20, geometry.blockSize, 4 * geometry.blockSize]),
      concurrency: { any: plan.pick([16, 1, 2]) },
      maxRounds: plan.pick([30, 3, 1]),
      maxPauseMs: plan.pick([500, 5000, 20]),
    },
  }
  // Nothing but the root of the whole disk finds a wrong bit, and a disk that is handed over before has none yet.
  const isWhole = setup.options.strategy === 'pre-copy'
  world.planFaults([...FAULTS, ...(isWhole ? (['flip'] as const) : []), ...(journals ? DEADLY : [])])
  return setup
}
