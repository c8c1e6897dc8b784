import { lstat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { StorageError } from '../../errors/storage-error.ts'

/** The system's structure for addresses has 108 bytes on Linux and 104 elsewhere, with the final NUL. */
const SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103

/**
 * Makes the path of a unix socket free: a socket that nobody answers at was left by a process that ended, and is removed.
 * @throws StorageError `OPEN_FAILED` when somebody answers there, what is there is not a socket, or the path is too long for one.
 */
export async function freeSocketPath(path: string): Promise<void> {
  // Longer ones are cut without a word, and the server would listen somewhere else.
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) throw refused(path, `is longer than ${SOCKET_PATH_BYTES} bytes`)
  try {
    if (!(await lstat(path)).isSocket()) throw refused(path, 'is something else than a socket')
    if (await answers(path)) throw refused(path, 'is in use by another server')
    await unlink(path)
  } catch (error) {
    // Gone, or gone meanwhile: free either way.
    if (systemCode(error) === 'ENOENT') return
    throw error instanceof StorageError ? error : refused(path, 'cannot be used', error)
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error) => {
      if (systemCode(error) === 'ECONNREFUSED') resolve(false)
      else reject(error)
    })
  })
}

function refused(path: string, reason: string, cause?: unknown): StorageError {
  return new StorageError('OPEN_FAILED', `"${path}" ${reason}`, { cause, context: { path } })
}

function systemCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
