import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { seededRandom } from '../../src/async/random.ts'
import { zipfSampler } from '../../src/modules/zipf.ts'

/** A program as its writes: which block comes next, for ever. */
export interface WriteTrace {
  readonly name: string
  /** Blocks of its disk. */
  readonly blocks: number
  next(): number
}

/** Share of the disk that the sequential log goes round and round in. */
const LOG_SHARE = 0.25

/** The traces that regret is measured with, from their start; three of them on a disk of so many blocks. */
export function writeTraces(blocks: number): WriteTrace[] {
  return [zipf(blocks), uniform(blocks), sequentialLog(blocks), sqlite()]
}

function zipf(blocks: number): WriteTrace {
  const rank = zipfSampler(seededRandom(7), blocks)
  // Odd, so that each rank has a place of its own on a disk of 2^n blocks.
  return { name: 'zipf', blocks, next: () => (rank() * 2654435761) % blocks }
}

function uniform(blocks: number): WriteTrace {
  const random = seededRandom(8)
  return { name: 'uniform', blocks, next: () => Math.floor(random() * blocks) }
}

function sequentialLog(blocks: number): WriteTrace {
  const [start, length] = [Math.floor(blocks / 3), Math.floor(blocks * LOG_SHARE)]
  let at = 0
  return { name: 'log', blocks, next: () => start + (at++ % length) }
}

/** Recorded by `traces/record-sqlite.mjs`: a database of 100 MiB, its write-ahead log and checkpoints, again and again. */
function sqlite(): WriteTrace {
  // The compiled file lies elsewhere; benchmarks run with the repository as working directory.
  const bytes = gunzipSync(readFileSync('test/bench/traces/sqlite.trace.gz'))
  const numbers: number[] = []
  for (let at = 0, before = 0; at < bytes.length; ) {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!
      value += (byte & 127) * factor
      if (byte < 128) break
    }
    before += value % 2 === 0 ? value / 2 : -(value + 1) / 2
    numbers.push(before)
  }
  let at = 0
  return { name: 'sqlite', blocks: 2 ** 16, next: () => numbers[at++ % numbers.length]! }
}
