import { seededRandom } from '../../src/async/random.ts'

/**
 * Takes from the platform what would make two runs of one seed differ: WASM modules are compiled and instantiated at once instead of on another
 * thread, and random bytes come from a generator that starts anew with each run. For a realm that does nothing but simulate; large modules need
 * a worker in browsers.
 * @returns the function that starts anew; to be called when nothing of the run before goes on
 */
export function tamePlatform(): () => void {
  const hashes = new HashInstances()
  const compiled = new WeakMap<object, WebAssembly.Module>()
  const compile = (bytes: BufferSource): WebAssembly.Module => {
    const known = compiled.get(bytes)
    if (known) return known
    const module = new WebAssembly.Module(bytes)
    compiled.set(bytes, module)
    return module
  }
  const instantiate = async (source: BufferSource | WebAssembly.Module, imports?: WebAssembly.Imports) => {
    if (source instanceof WebAssembly.Module) return hashes.take(source) ?? new WebAssembly.Instance(source, imports)
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
    hashes.beginRun()
    random = seededRandom(0)
  }
}

/**
 * The instances that `hash-wasm` asks for, one for each proof: they were a third of a run's time, so the next run gets those of the run before. Each
 * begins with `Hash_Init`, so nothing of one proof is seen by another. What was made before the first run is in use for good.
 */
class HashInstances {
  /** Undefined for modules of somebody else. */
  readonly #free = new Map<WebAssembly.Module, WebAssembly.Instance[] | undefined>()
  #lent: { readonly free: WebAssembly.Instance[]; readonly instance: WebAssembly.Instance }[] = []
  #isRunning = false

  beginRun(): void {
    this.#isRunning = true
    for (const { free, instance } of this.#lent.splice(0)) free.push(instance)
  }

  /** Undefined for a module that is not one of `hash-wasm`, and before the first run. */
  take(module: WebAssembly.Module): WebAssembly.Instance | undefined {
    if (!this.#isRunning) return undefined
    const free = this.#of(module)
    if (!free) return undefined
    const instance = free.pop() ?? new WebAssembly.Instance(module)
    this.#lent.push({ free, instance })
    return instance
  }

  #of(module: WebAssembly.Module): WebAssembly.Instance[] | undefined {
    if (!this.#free.has(module)) {
      const isHash = WebAssembly.Module.exports(module).some(({ name }) => name === 'Hash_Init')
      this.#free.set(module, isHash ? [] : undefined)
    }
    return this.#free.get(module)
  }
}
