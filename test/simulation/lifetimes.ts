import { errorCode, errorMessage } from '../../src/errors/storage-error.ts'
import type { Machine } from './machine.ts'

/** The work of a process, for as long as it lives. */
export function during(machine: Machine, work: Promise<void>): Promise<void> {
  if (!machine.alive) return Promise.resolve()
  const ended = new Promise<void>((resolve) => machine.onEnd(resolve))
  return Promise.race([work.catch((error: unknown) => (machine.alive ? Promise.reject(error) : undefined)), ended])
}

/** A while of a process; over at once when it dies. */
export function pause(machine: Machine, ms: number): Promise<void> {
  return new Promise((resolve) => machine.later(ms, 'a while passes', resolve, resolve))
}

/** An error as one line of the log. */
export function text(error: unknown): string {
  return `${errorCode(error) ?? 'no code'}: ${errorMessage(error)}`
}
