import { link, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { threadId } from 'node:worker_threads'
import { StorageError } from '../errors/storage-error.ts'

/** Who holds a lock. */
interface Holder {
  readonly pid: number
  readonly host: string
  /** When the process began, as the system counts, and in which boot of the machine; empty where it does not say. */
  readonly start: string
}

/** A lock that is held. */
export interface HeldFileLock {
  /** Idempotent. */
  release(): Promise<void>
}

/** Locks of dead processes that are removed on the way to one: more means that others come and die all the time. */
const ATTEMPTS = 8

/**
 * Takes the lock of a file: `<path>.lock` beside it, which names the process that holds it. Node has no lock that the system frees, so that of a
 * process that died stays; it is found to be dead by its number and by when it began, and its lock is removed. One of another machine is never.
 * @throws StorageError `LOCKED`, which says who holds it; what the file system throws
 */
export async function takeFileLock(path: string): Promise<HeldFileLock> {
  const lock = `${path}.lock`
  const own = JSON.stringify({ pid: process.pid, host: hostname(), start: await startOf(process.pid) } satisfies Holder)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await create(lock, own)) return held(lock, own)
    const text = await readOrUndefined(lock)
    // It was given back just now.
    if (text === undefined) continue
    const holder = parse(text)
    if (!holder || !(await isDead(holder))) throw lockedBy(path, lock, holder)
    await removeDead(lock, text)
  }
  throw lockedBy(path, lock, undefined)
}

function held(lock: string, own: string): HeldFileLock {
  let isHeld = true
  return {
    release: async () => {
      if (!isHeld) return
      isHeld = false
      if ((await readOrUndefined(lock)) === own) await rm(lock, { force: true })
    },
  }
}

/** Makes the lock whole or not at all; false where there is one. */
async function create(lock: string, text: string): Promise<boolean> {
  const draft = uniqueName(lock)
  try {
    await writeFile(draft, text, { flag: 'wx' })
    await link(draft, lock)
    return true
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST') return false
    if (code === 'EPERM' || code === 'ENOTSUP' || code === 'ENOSYS' || code === 'EMLINK')
      return createInPlace(lock, text)
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/** For file systems without hard links. Who looks before the name is written takes it for held. */
async function createInPlace(lock: string, text: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx')
    try {
      await file.writeFile(text)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Two may find the same dead one: whoever moves away a lock that has been taken since puts it back. */
async function removeDead(lock: string, text: string): Promise<void> {
  const aside = uniqueName(lock)
  try {
    await rename(lock, aside)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw error
  }
  try {
    if ((await readOrUndefined(aside)) !== text) await link(aside, lock).catch(() => {}) // Somebody was quicker; both are asked again.
  } finally {
    await rm(aside, { force: true })
  }
}

async function isDead({ pid, host, start }: Holder): Promise<boolean> {
  if (host !== hostname()) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return systemCode(error) === 'ESRCH'
  }
  // The number may have been given to another process since.
  const now = await startOf(pid)
  return start !== '' && now !== '' && start !== now
}

/** Linux tells; elsewhere a number that was used again looks alive, and the lock is to be removed by hand. */
async function startOf(pid: number): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The name of the program stands in brackets and may hold anything; the 20th field behind it is the start.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return `${boot.trim()} ${ticks}`
  } catch {
    return ''
  }
}

function parse(text: string): Holder | undefined {
  try {
    const { pid, host, start } = JSON.parse(text) as Partial<Holder>
    if (!Number.isSafeInteger(pid) || pid! <= 0 || typeof host !== 'string' || typeof start !== 'string')
      return undefined
    return { pid: pid!, host, start }
  } catch {
    return undefined
  }
}

function lockedBy(path: string, lock: string, holder: Holder | undefined): StorageError {
  const { pid, host } = holder ?? {}
  const who =
    holder === undefined
      ? 'by somebody'
      : pid === process.pid && host === hostname()
        ? 'by this process'
        : `by process ${pid} on ${host}`
  const context = { path, lock, ...(holder ? { pid: holder.pid, host: holder.host } : {}) }
  return new StorageError('LOCKED', `"${path}" is open ${who}; if that is not so any more, remove "${lock}"`, {
    context,
  })
}

let drafts = 0

function uniqueName(lock: string): string {
  return `${lock}.${process.pid}.${threadId}.${drafts++}`
}

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
