import type { MigrationProgress } from '../migration/progress.ts'
import type { PhaseProgress } from './phase-progress.ts'

/** The state of a live migration as a phase of a command: the full pass is `move`, the rest is named as it is. */
export function phaseOf(progress: MigrationProgress, size: number, blockSize: number): PhaseProgress {
  const { phase, round, bytesPerSecond, timeLeftMs } = progress
  const bytes = Math.min(progress.movedBlocks * blockSize, size)
  const name = phase === 'full' ? 'move' : phase === 'dirty' ? `round ${round}` : phase
  return { phase: name, bytes, totalBytes: size, bytesPerSecond, timeLeftMs, details: { ...progress } }
}
