// The process of one benchmark: `child.js FILE NAME [--toy]` measures and sends the result to its parent.
import type { Benchmark } from './benchmark.ts'

const [file, name, ...flags] = process.argv.slice(2)
const { benchmarks } = (await import(new URL(file!, import.meta.url).href)) as { benchmarks: Benchmark[] }
const benchmark = benchmarks.find((candidate) => candidate.name === name)
if (!benchmark) throw new Error(`${file} has no benchmark "${name}"`)
const result = await benchmark.run({ toy: flags.includes('--toy') })
process.send!(result, () => process.disconnect())
