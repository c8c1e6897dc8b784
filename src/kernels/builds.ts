import { SCALAR_WASM, SIMD_WASM } from './generated/wasm.ts'

/** The builds that are WebAssembly. */
export type WasmBuild = 'simd' | 'scalar'

const INLINED: Readonly<Record<WasmBuild, string>> = { simd: SIMD_WASM, scalar: SCALAR_WASM }

/** What became of a build in this realm; kept, since neither a module nor a prohibition changes. */
const compiled = new Map<WasmBuild, WebAssembly.Module | undefined>()

/** The bytes of an inlined build, or undefined when this engine lacks WASM or an instruction the build uses. */
export function buildBytes(build: WasmBuild): Uint8Array<ArrayBuffer> | undefined {
  // Absent, for example, in the lockdown mode of iOS.
  if (typeof WebAssembly === 'undefined') return undefined
  const bytes = Uint8Array.from(atob(INLINED[build]), (character) => character.charCodeAt(0))
  return WebAssembly.validate(bytes) ? bytes : undefined
}

/** An inlined build, compiled at once (a few KiB take well under a millisecond), or undefined where it does not run or is forbidden. */
export function compileBuild(build: WasmBuild): WebAssembly.Module | undefined {
  if (compiled.has(build)) return compiled.get(build)
  const bytes = buildBytes(build)
  let module: WebAssembly.Module | undefined
  try {
    if (bytes) module = new WebAssembly.Module(bytes)
  } catch (error) {
    if (!isForbidden(error)) throw error
  }
  compiled.set(build, module)
  return module
}

/** As {@link compileBuild}, without blocking. */
export async function compileBuildAsync(build: WasmBuild): Promise<WebAssembly.Module | undefined> {
  if (compiled.has(build)) return compiled.get(build)
  const bytes = buildBytes(build)
  let module: WebAssembly.Module | undefined
  try {
    if (bytes) module = await WebAssembly.compile(bytes)
  } catch (error) {
    if (!isForbidden(error)) throw error
  }
  compiled.set(build, module)
  return module
}

/**
 * Whether a failed compilation means "not on this page": a content security policy without `wasm-unsafe-eval`, or a limit on synchronous
 * compilation. Chromium and Firefox throw `CompileError`, Safari `EvalError` (https://github.com/WebAssembly/content-security-policy).
 */
function isForbidden(error: unknown): boolean {
  return error instanceof WebAssembly.CompileError || error instanceof EvalError || error instanceof RangeError
}
