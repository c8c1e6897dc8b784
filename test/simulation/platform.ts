import { seededRandom } from '../../src/async/random.ts'

/**
 * Takes from the platform what would make two runs of one seed differ: WASM modules are compiled and instantiated at once instead of on another
 * thread (hash-wasm makes one for each proof), and random bytes come from a generator that starts anew with each run. For a realm that does
 * nothing but simulate; large modules need a worker in browsers.
 * @returns the function that starts the generator anew
 */
export function tamePlatform(): () => void {
  const compiled = new WeakMap<object, WebAssembly.Module>()
  const compile = (bytes: BufferSource): WebAssembly.Module => {
    const known = compiled.get(bytes)
    if (known) return known
    const module = new WebAssembly.Module(bytes)
    compiled.set(bytes, module)
    return module
  }
  const instantiate = async (source: BufferSource | WebAssembly.Module, imports?: WebAssembly.Imports) => {
    if (source instanceof WebAssembly.Module) return new WebAssembly.Instance(source, imports)
    const module = compile(source)
    return { module, instance: new WebAssembly.Instance(module, imports) }
  }
  Object.assign(WebAssembly, { compile: async (bytes: BufferSource) => compile(bytes), instantiate })
  let random = seededRandom(0)
  const getRandomValues = (target: Uint8Array) => {
    for (let index = 0; index < target.length; index++) target[index] = Math.floor(random() * 256)
    return target
  }
  Object.defineProperty(globalThis.crypto, 'getRandomValues', { value: getRandomValues, configurable: true })
  return () => {
    random = seededRandom(0)
  }
}
