import type { World } from '../world.ts'
import { copy } from './copy.ts'
import { move } from './move.ts'
import { replicate } from './replicate.ts'
import { moveToSilo } from './silo.ts'
import { takeOver } from './take-over.ts'

/** What is simulated. */
export interface Scenario {
  readonly name: string
  readonly run: (world: World) => Promise<void>
}

const moved: Scenario = { name: 'move', run: (world) => move(world) }
const killed: Scenario = { name: 'killed', run: (world) => move(world, 'killed') }
const killedOwner: Scenario = { name: 'killed owner', run: (world) => move(world, 'killed owner') }
const copied: Scenario = { name: 'copy', run: copy }
const silo: Scenario = { name: 'silo', run: moveToSilo }
const replicated: Scenario = { name: 'replicate', run: replicate }
const takenOver: Scenario = { name: 'taken over', run: takeOver }

/** How often one stands here is how often it is chosen. */
export const scenarios: readonly Scenario[] = [
  moved,
  killed,
  copied,
  silo,
  moved,
  killedOwner,
  copied,
  replicated,
  takenOver,
]
