import type { Choices } from './choices.ts'

/** What the world may do to a run. */
export const FAULT_KINDS = [
  'cut',
  'stall',
  'half-open',
  'flip',
  'gap',
  'read fails',
  'write fails',
  'flush fails',
  'short read',
  'short write',
  'torn write',
  'full',
  'slow',
  'kill source',
  'kill destination',
  'power of source',
  'power of destination',
  'hide',
  'abort',
  'corrupt write',
  'lost write',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

/** A fault that is to happen, and when: at which step of the run, or at which call of the storage from then on. */
export interface PlannedFault {
  readonly kind: FaultKind
  readonly step: number
  /** Which of the two sides, where that makes a difference. */
  readonly side: 'source' | 'destination'
  /** How hard, from 0 to 7: how long, how often. */
  readonly force: number
}

/** Faults of one run: few, of the kinds it allows, most of them early, when most runs still go on. */
export function planFaults(
  choices: Choices,
  kinds: readonly FaultKind[],
  { fromStep, many }: { fromStep: number; many: boolean },
): PlannedFault[] {
  const faults: PlannedFault[] = []
  for (
    let count = choices.pick(many ? [1, 2, 3, 4] : [0, 1, 1, 2, 2, 3, 4, 6]);
    count > 0 && kinds.length > 0;
    count--
  ) {
    faults.push({
      kind: choices.pick(kinds),
      step: fromStep + choices.below(choices.pick([40, 100, 200, 400])),
      side: choices.pick(['source', 'destination'] as const),
      force: choices.below(8),
    })
  }
  return faults.sort((a, b) => a.step - b.step)
}

/** As one word for the log. */
export function faultText({ kind, step, side, force }: PlannedFault): string {
  return `${kind} (${side}, from step ${step}, force ${force})`
}
