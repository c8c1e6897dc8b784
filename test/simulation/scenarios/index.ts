import type { World } from '../world.ts'
import { copy } from './copy.ts'
import { move } from './move.ts'
import { moveToSilo } from './silo.ts'

/** What is simulated. */
export interface Scenario {
  readonly name: string
  readonly run: (world: World) => Promise<void>
}

/** How often one stands here is how often it is chosen. */
export const scenarios: readonly Scenario[] = [
  { name: 'move', run: move },
  { name: 'move', run: move },
  { name: 'move', run: move },
  { name: 'copy', run: copy },
  { name: 'silo', run: moveToSilo },
]
