import type { SendDiskOptions } from '../../../src/devices/send-disk.ts'
import type { FaultKind } from '../faults.ts'
import type { World } from '../world.ts'

const FAULTS: readonly FaultKind[] = [
  ...(['flip', 'gap'] as const),
  ...(['cut', 'stall', 'half-open', 'read fails', 'write fails', 'flush fails', 'short read', 'short write'] as const),
  ...(['torn write', 'full', 'slow', 'hide', 'abort'] as const),
]

/** Only what is written down survives these. */
const DEADLY: readonly FaultKind[] = ['kill source', 'kill destination', 'power of source', 'power of destination']

const OWNER_FAULTS: readonly FaultKind[] = ['kill destination', 'power of destination', 'cut', 'kill source']

/** How the two sides are set up. */
export interface MoveSetup {
  readonly kind: MoveKind
  readonly journals: boolean
  readonly secret: Uint8Array | undefined
  readonly windowBytes: number | undefined
  readonly volatile: boolean
  readonly reconnectMs: number
  /** The destination holds something older, and keeps of it what is right. */
  readonly olderCopy: boolean
  /** How often the disk moves, there and back again. */
  readonly legs: number
  readonly options: Partial<SendDiskOptions>
}

/** `killed`: both sides write down what they do, and are killed again and again. `killed owner`: so is one that owns a disk before it is all there. */
export type MoveKind = 'any' | 'killed' | 'killed owner'

/** Decides how it is. */
export function planMove({ plan, geometry }: World, kind: MoveKind): MoveSetup {
  const journals = kind !== 'any' || plan.below(2) === 1
  return {
    kind,
    journals,
    secret: plan.below(24) === 23 ? new Uint8Array(16).fill(5) : undefined,
    windowBytes: plan.pick([undefined, 2 * geometry.blockSize, undefined, 600]),
    volatile: plan.below(3) === 2,
    reconnectMs: plan.pick([0, 5000, 600_000]),
    olderCopy: plan.below(4) === 3,
    legs: plan.pick(kind === 'any' ? [1, 1, 2] : [2, 1, 3]),
    options: {
      strategy: plan.pick(
        kind === 'killed owner' ? ['post-copy', 'auto', 'post-copy'] : ['pre-copy', 'auto', 'post-copy', 'pre-copy'],
      ),
      runBytes: plan.pick(
        kind === 'any'
          ? [2 ** 20, geometry.blockSize, 4 * geometry.blockSize]
          : [geometry.blockSize, 2 * geometry.blockSize],
      ),
      concurrency: { any: plan.pick([16, 1, 2]) },
      maxRounds: plan.pick([30, 3, 1]),
      maxPauseMs: plan.pick([500, 5000, 20]),
    },
  }
}

/** Decides which faults there are on one way. */
export function planMoveFaults(world: World, { kind, journals }: MoveSetup): void {
  if (kind === 'killed')
    world.planFaults([...DEADLY, 'cut', 'flush fails', 'half-open', 'short write', 'torn write'], { many: true })
  else if (kind === 'killed owner') world.planFaults(OWNER_FAULTS, { many: true })
  else world.planFaults([...FAULTS, ...(journals ? DEADLY : [])])
}
