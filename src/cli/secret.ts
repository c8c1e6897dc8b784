import { readFile } from 'node:fs/promises'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { errorMessage, StorageError } from '../errors/storage-error.ts'
import { SECRET_BYTES } from '../protocol/secret-proof.ts'

/** The variable that holds a secret where no file is named. */
const VARIABLE = 'BLOCKFERRY_SECRET'

/** Where a secret was given, if it was. */
export function secretPlace(file: string | undefined, environment = process.env): string | undefined {
  if (file !== undefined) return '--secret-file'
  return environment[VARIABLE] === undefined ? undefined : VARIABLE
}

/**
 * The secret that both sides must know, of a file or of the environment; undefined when neither is there. Never of an argument, which every
 * user of the machine can read. Line ends at the end of a file do not count, since editors add them.
 * @throws InvalidArgumentError when it is too short; StorageError when the file cannot be read
 */
export async function readSecret(file: string | undefined, environment = process.env): Promise<Uint8Array | undefined> {
  const text = file === undefined ? environment[VARIABLE] : await readText(file)
  if (text === undefined) return undefined
  const secret = new TextEncoder().encode(text.replace(/[\r\n]+$/, ''))
  if (secret.length >= SECRET_BYTES) return secret
  // Its length is told, the secret is not.
  const place = secretPlace(file, environment)!
  throw new InvalidArgumentError(place, `a secret of at least ${SECRET_BYTES} bytes`, `${secret.length} bytes`)
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'NOT_FOUND' : 'OPEN_FAILED'
    throw new StorageError(code, `the secret file cannot be read: ${errorMessage(cause)}`, { cause })
  }
}
