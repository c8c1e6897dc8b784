import { Bitfield } from '../../src/bitfield/bitfield.ts'
import { createKernels } from '../../src/kernels/load.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { measureBeside, median } from './measure.ts'

/** 2 MiB: the field of a 1 TiB disk at 64 KiB blocks. */
const FIELD_BYTES = 2 ** 21
const TOY_BYTES = 2 ** 14
const SET_BITS = 1000

/**
 * Milliseconds per call, beside one `Uint8Array.set` (memcpy) of as many bytes. A call takes some 50 us, so many are timed together; the
 * bytes stay in the caches they fit in, for both sides.
 */
async function measure(toy: boolean, what: string, setup: (bytes: number) => () => unknown): Promise<BenchmarkResult> {
  const bytes = toy ? TOY_BYTES : FIELD_BYTES
  const calls = toy ? 5 : 300
  const ours = setup(bytes)
  const from = new Uint8Array(bytes).fill(1)
  const to = new Uint8Array(bytes)
  const searched = Buffer.from(from)
  const perCall = (work: () => unknown) => {
    const startedAt = performance.now()
    for (let call = 0; call < calls; call++) work()
    return (performance.now() - startedAt) / calls
  }
  const reads: number[] = []
  const result = await measureBeside({
    unit: 'ms',
    runs: toy ? 1 : 15,
    better: 'lower',
    ours: () => perCall(ours),
    limit: () => {
      // A search for a byte that is not there: memchr, which only reads, with vectors wider than WASM has.
      reads.push(perCall(() => searched.indexOf(2)))
      return perCall(() => to.set(from))
    },
  })
  return { ...result, note: `${what}; memchr over as many bytes takes ${median(reads).toFixed(3)} ms` }
}

/** A field of the SIMD build with `set` bits at places spread over all of it. */
function filledField(bytes: number, set: number, kernels = createKernels({ build: 'simd' })): Bitfield {
  const field = new Bitfield(bytes * 8, kernels)
  // Steps of the golden ratio of the length: far apart, never in a pattern with words or lines.
  const step = Math.floor(field.length * 0.6180339887) | 1
  for (let count = 0, bit = 0; count < set; count++, bit = (bit + step) % field.length) field.set(bit)
  return field
}

/** Whole-field operations of the SIMD build. */
export const benchmarks: Benchmark[] = [
  {
    name: 'bitfield-count',
    environment: 'node',
    run: ({ toy }) =>
      measure(toy, 'count set bits, 2 MiB, simd', (bytes) => {
        const field = filledField(bytes, bytes / 2)
        return () => field.count()
      }),
  },
  {
    name: 'bitfield-collect',
    environment: 'node',
    run: ({ toy }) =>
      measure(toy, `collect ${SET_BITS} set bits, 2 MiB, simd`, (bytes) => {
        const field = filledField(bytes, SET_BITS)
        const list = new Uint32Array(SET_BITS + 1)
        return () => {
          if (field.collect(list) !== SET_BITS) throw new Error('bits were lost')
        }
      }),
  },
  {
    name: 'bitfield-and-not',
    environment: 'node',
    run: ({ toy }) =>
      measure(toy, 'and-not of two fields, 2 MiB, simd', (bytes) => {
        const field = filledField(bytes, bytes / 2)
        const other = filledField(bytes, SET_BITS, field.kernels)
        return () => field.andNot(other)
      }),
  },
]
