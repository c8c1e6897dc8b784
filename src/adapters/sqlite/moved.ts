import { StorageError } from '../../errors/storage-error.ts'

/** What is said of a database that is used from elsewhere now. */
export function moved(): StorageError {
  return new StorageError('NOT_OWNER', 'The database moved away from here; use it where it is now.')
}
