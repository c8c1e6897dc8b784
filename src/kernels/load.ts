import { checkInteger, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { ALIGNMENT, roundUp } from './allocator.ts'
import type { KernelBuild, Kernels } from './kernels.ts'
import { LARGEST_MEMORY_BYTES, MEMORY_PAGE_BYTES } from './limits.ts'
import { TypeScriptKernels } from './typescript-kernels.ts'

/** Where kernels come from, and how much memory they may take. */
export interface KernelOptions {
  /** The build to use; by default the best this machine runs. */
  build?: KernelBuild
  /** Memory grows up to this; by default and at most `LARGEST_MEMORY_BYTES`. */
  maximumBytes?: number
  /** Reserves memory for this many bytes of allocations at once and never grows: views of `buffer` stay valid for ever. */
  fixedBytes?: number
}

/** Kernels from outside this package's inlined bytes; at most one of the first three. */
export interface KernelSource {
  module?: WebAssembly.Module
  bytes?: BufferSource
  url?: string | URL
  /** Without the others: one of the inlined builds. */
  build?: KernelBuild
}

let shared: Kernels | undefined

/**
 * The kernels of this realm, made on first use and kept: the best build that runs here, the twin where WASM is missing or forbidden.
 * Never waits.
 */
export function defaultKernels(): Kernels {
  shared ??= createKernels()
  return shared
}

/**
 * Loads kernels without blocking, and makes them the default when there is none yet. A default once used stays: bitfields hold
 * pointers into its memory. The returned kernels are always the ones asked for, whether or not they became the default.
 */
export async function loadKernels(source: KernelSource = {}): Promise<Kernels> {
  const kernels = createKernels(source.build === undefined ? {} : { build: source.build })
  shared ??= kernels
  return kernels
}

/** Fresh kernels with a memory of their own. */
export function createKernels(options: KernelOptions = {}): Kernels {
  const { initial, maximum } = memorySize(options)
  return new TypeScriptKernels(initial, maximum)
}

function memorySize(options: KernelOptions): { initial: number; maximum: number } {
  if (options.fixedBytes !== undefined) {
    // The allocator never hands out the first bytes, so that pointer 0 can mean "none".
    const bytes = roundUp(checkInteger('fixedBytes', options.fixedBytes) + ALIGNMENT, MEMORY_PAGE_BYTES)
    if (bytes > LARGEST_MEMORY_BYTES) {
      throw new InvalidArgumentError('fixedBytes', `at most ${LARGEST_MEMORY_BYTES - ALIGNMENT}`, options.fixedBytes)
    }
    return { initial: bytes, maximum: bytes }
  }
  const wanted = checkInteger('maximumBytes', options.maximumBytes ?? LARGEST_MEMORY_BYTES, MEMORY_PAGE_BYTES)
  return { initial: MEMORY_PAGE_BYTES, maximum: Math.min(roundUp(wanted, MEMORY_PAGE_BYTES), LARGEST_MEMORY_BYTES) }
}
