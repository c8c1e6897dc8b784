import type { World } from '../world.ts'
import { move } from './move.ts'
import { moveToSilo } from './silo.ts'

/** What is simulated. */
export interface Scenario {
  readonly name: string
  readonly run: (world: World) => Promise<void>
}

export const scenarios: readonly Scenario[] = [
  { name: 'move', run: move },
  { name: 'silo', run: moveToSilo },
]
