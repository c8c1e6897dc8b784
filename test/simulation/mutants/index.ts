import { devicesMutants } from './devices.ts'
import { handOverMutants } from './hand-over.ts'
import { journalMutants } from './journal.ts'
import { migrationMutants } from './migration.ts'
import { modulesMutants } from './modules.ts'
import type { Mutant } from './mutant.ts'
import { protocolMutants } from './protocol.ts'
import { storageMutants } from './storage.ts'

/** Every planted bug, by room. */
export const mutants: readonly Mutant[] = [
  ...modulesMutants,
  ...migrationMutants,
  ...journalMutants,
  ...handOverMutants,
  ...devicesMutants,
  ...protocolMutants,
  ...storageMutants,
]
