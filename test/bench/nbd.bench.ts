import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NbdServer } from '../../src/adapters/nbd/server.node.ts'
import { systemClock } from '../../src/async/clock.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { ensureNbdClients, ensureNbdkit } from '../support/nbd-clients.mjs'
import { nbdUri, runClient } from '../support/nbd-clients.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { measureBeside } from './measure.ts'

const MIB = 2 ** 20

/** Starts `nbdkit memory` and resolves when it listens. */
async function startNbdkit(socket: string, size: number): Promise<ChildProcess> {
  const child = spawn('nbdkit', ['--foreground', '--exit-with-parent', '--unix', socket, 'memory', String(size)], {
    stdio: ['ignore', 2, 2],
  })
  for (let tries = 0; !existsSync(socket); tries++) {
    if (tries > 500 || child.exitCode !== null) throw new Error('nbdkit did not start')
    await systemClock.sleep(10)
  }
  return child
}

/** A file of bytes that are not zero, in memory where there is a place for that: the disk is not what is measured. */
async function patternFile(folder: string, size: number): Promise<string> {
  const path = join(folder, 'pattern')
  const piece = new Uint8Array(MIB)
  for (let index = 0; index < MIB; index++) piece[index] = Math.imul(index, 2654435761) >>> 24 || 1
  const file = await open(path, 'w')
  for (let at = 0; at < size; at += MIB) await file.write(piece)
  await file.close()
  return path
}

/**
 * `nbdcopy` in and out of a disk in memory over a unix socket: ours in this process, beside nbdkit in its own. Both have every byte allocated, and
 * `nbdcopy` looks for no zeroes, so that each byte goes through the socket.
 */
async function nbd(direction: 'read' | 'write', toy: boolean): Promise<BenchmarkResult> {
  if (!ensureNbdClients() || !ensureNbdkit()) throw new Error('nbdcopy or nbdkit is missing')
  const size = toy ? 4 * MIB : 1024 * MIB
  const folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'blockferry-bench-'))
  const provider = new MemoryStorage(size)
  const server = new NbdServer({ exports: { '': { provider } } })
  let nbdkit: ChildProcess | undefined
  try {
    const socket = join(folder, 'nbdkit')
    nbdkit = await startNbdkit(socket, size)
    const ours = nbdUri(await server.listen({ unix: join(folder, 'ours') }))
    const theirs = nbdUri({ unix: socket })
    const pattern = await patternFile(folder, size)
    const copy = (source: string, target: string) => runClient('nbdcopy', ['--sparse=0', source, target])
    // So that the reads of both find data.
    for (const uri of [ours, theirs]) await copy(pattern, uri)
    const rate = async (uri: string) => {
      const startedAt = performance.now()
      await (direction === 'read' ? copy(uri, 'null:') : copy(pattern, uri))
      return size / 1e6 / ((performance.now() - startedAt) / 1000)
    }
    return await measureBeside({
      unit: 'MB/s',
      runs: toy ? 1 : 9,
      better: 'higher',
      ours: () => rate(ours),
      limit: () => rate(theirs),
    })
  } finally {
    nbdkit?.kill()
    await server.close()
    await rm(folder, { recursive: true })
  }
}

export const benchmarks: Benchmark[] = [
  { name: 'nbd-read', environment: 'node', run: ({ toy }) => nbd('read', toy) },
  { name: 'nbd-write', environment: 'node', run: ({ toy }) => nbd('write', toy) },
]
