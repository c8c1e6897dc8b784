import { movingHoles } from './holes-moving.ts'
import { owningHoles } from './holes-owning.ts'
import type { Mutant } from './mutant.ts'

/** Planted bugs that are not found within some hundred seeds: where the simulated world does not look closely yet. `npm run simulate -- --mutants --holes`. */
export const holes: readonly Mutant[] = [...movingHoles, ...owningHoles]
