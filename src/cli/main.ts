#!/usr/bin/env node
import { setMaxListeners } from 'node:events'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { parseCommandLine } from './command-line.ts'
import { createOutput } from './output.ts'

/** Runs one command; resolves with the exit code: 0 done, 1 failed, 2 used wrongly. */
async function run(args: readonly string[]): Promise<number> {
  const request = parseCommandLine(args)
  if ('exitCode' in request) return request.exitCode
  const output = createOutput(request.output)
  const { signal, stopListening } = cancelOnInterrupt()
  try {
    return (await request.run(output, signal)) ?? 0
  } catch (error) {
    output.failure(error)
    return error instanceof InvalidArgumentError ? 2 : 1
  } finally {
    stopListening()
    output.close()
  }
}

/** The first interrupt ends the work in order, a second one at once. */
function cancelOnInterrupt(): { signal: AbortSignal; stopListening: () => void } {
  const controller = new AbortController()
  // Every call under way listens to it, and Node takes more than ten for a leak.
  setMaxListeners(0, controller.signal)
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(1)
    controller.abort(new Error('interrupted'))
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const name of signals) process.on(name, interrupt)
  return {
    signal: controller.signal,
    stopListening: () => {
      for (const name of signals) process.off(name, interrupt)
    },
  }
}

// The reader of a pipe may leave early (`| head`); that is its choice and no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
process.exitCode = await run(process.argv.slice(2))
