import { checkInteger, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import { ALIGNMENT, roundUp } from './allocator.ts'
import { compileBuild, compileBuildAsync } from './builds.ts'
import type { KernelBuild, Kernels } from './kernels.ts'
import { LARGEST_MEMORY_BYTES, MEMORY_PAGE_BYTES } from './limits.ts'
import { TypeScriptKernels } from './typescript-kernels.ts'
import { WasmKernels } from './wasm-kernels.ts'

/** Which kernels to make, and how much memory they may take. */
export interface KernelOptions {
  /** The build to use; by default the first of `simd`, `scalar` and `typescript` that runs here. */
  build?: KernelBuild
  /** Memory grows up to this; by default and at most `LARGEST_MEMORY_BYTES`. */
  maximumBytes?: number
  /** Reserves memory for this many bytes of allocations at once and never grows: views of `buffer` stay valid for ever. */
  fixedBytes?: number
}

/** Kernels from outside this package's inlined bytes; at most one of the members. */
export interface KernelSource {
  /** A compiled module, for example one sent to a worker. */
  module?: WebAssembly.Module
  bytes?: BufferSource
  /** Fetched; in Node, `file:` needs `bytes` instead. */
  url?: string | URL
  /** One of the inlined builds. */
  build?: KernelBuild
}

/** Best first. */
const PREFERENCE: readonly KernelBuild[] = ['simd', 'scalar', 'typescript']

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
 * Loads kernels without blocking, and makes them the default when there is none yet.
 *
 * A default once there stays: bitfields hold pointers into its memory. So call this before anything else to override the build; later,
 * a stated source still gives the kernels asked for, with a memory of their own, and only who passes them on uses them. Without a
 * source this resolves with the default.
 * @throws StorageError `NOT_SUPPORTED` when the build or module does not run here, `OPEN_FAILED` when the URL gives none.
 */
export async function loadKernels(source: KernelSource = {}): Promise<Kernels> {
  const stated = Object.values(source).filter((value) => value !== undefined).length
  if (stated > 1) throw new InvalidArgumentError('source', 'at most one of module, bytes, url and build', stated)
  if (stated === 0) {
    // The first build that compiles without blocking; `createKernels` then finds it compiled.
    if (!shared) (await compileBuildAsync('simd')) ?? (await compileBuildAsync('scalar'))
    return defaultKernels()
  }
  const kernels = await kernelsFrom(source)
  shared ??= kernels
  return kernels
}

async function kernelsFrom(source: KernelSource): Promise<Kernels> {
  if (source.build !== undefined) {
    if (source.build !== 'typescript') await compileBuildAsync(source.build)
    return createKernels({ build: source.build })
  }
  try {
    const bytes = source.url === undefined ? source.bytes : await fetchBytes(source.url)
    const module = source.module ?? (await WebAssembly.compile(bytes!))
    return new WasmKernels(module, MEMORY_PAGE_BYTES, LARGEST_MEMORY_BYTES)
  } catch (error) {
    if (error instanceof StorageError) throw error
    throw new StorageError('NOT_SUPPORTED', 'the module given for the kernels does not run here', { cause: error })
  }
}

async function fetchBytes(url: string | URL): Promise<ArrayBuffer> {
  const context = { url: String(url) }
  let response: Response
  try {
    response = await fetch(url)
  } catch (cause) {
    throw new StorageError('OPEN_FAILED', `the kernels could not be fetched from ${url}`, { cause, context })
  }
  if (!response.ok) {
    throw new StorageError('OPEN_FAILED', `the kernels could not be fetched from ${url}: ${response.status}`, {
      context,
    })
  }
  return response.arrayBuffer()
}

/**
 * Fresh kernels with a memory of their own. Never waits.
 * @throws StorageError `NOT_SUPPORTED` when the build asked for does not run here, `OUT_OF_MEMORY` when the memory cannot be reserved.
 */
export function createKernels(options: KernelOptions = {}): Kernels {
  const size = memorySize(options)
  let refused: unknown
  for (const build of options.build === undefined ? PREFERENCE : [options.build]) {
    try {
      const kernels = instantiate(build, size)
      if (kernels) return kernels
    } catch (error) {
      // WASM memories are scarce where each reserves address space, so when one is refused the twin may still get its buffer.
      if (!(error instanceof RangeError)) throw error
      refused = error
    }
  }
  if (refused === undefined) {
    throw new StorageError('NOT_SUPPORTED', `the ${options.build} build of the kernels does not run here`)
  }
  throw new StorageError('OUT_OF_MEMORY', 'the memory of the kernels cannot be reserved', {
    cause: refused,
    context: { bytes: size.initial },
  })
}

function instantiate(build: KernelBuild, size: MemorySize): Kernels | undefined {
  if (build === 'typescript') return new TypeScriptKernels(size.initial, size.maximum)
  const module = compileBuild(build)
  return module && new WasmKernels(module, size.initial, size.maximum)
}

interface MemorySize {
  readonly initial: number
  readonly maximum: number
}

function memorySize(options: KernelOptions): MemorySize {
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
