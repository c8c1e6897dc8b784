const KINDS = ['ArrayBuffer', 'Uint8Array', 'Int32Array', 'Uint32Array', 'BigUint64Array'] as const

type Kind = (typeof KINDS)[number]
type Constructors = Record<Kind, unknown>

let allocated = 0

/** The constructors, except that they count what they allocate. Views of memory that is there count nothing. */
const counting = Object.fromEntries(KINDS.map((kind) => [kind, counted(globalThis[kind], kind)])) as Constructors
const plain = Object.fromEntries(KINDS.map((kind) => [kind, globalThis[kind]])) as Constructors

/**
 * Runs `work`, which returns no promise, and returns how many bytes of typed arrays and buffers it made by their constructors.
 * Copies by `slice` are not seen: they are no larger than what is there already.
 */
export function allocatedBy(work: () => void): number {
  allocated = 0
  Object.assign(globalThis, counting)
  try {
    work()
  } finally {
    Object.assign(globalThis, plain)
  }
  return allocated
}

function counted(original: (typeof globalThis)[Kind], kind: Kind): unknown {
  const itemBytes = kind === 'ArrayBuffer' ? 1 : (original as Uint8ArrayConstructor).BYTES_PER_ELEMENT
  const proxy: object = new Proxy(original, {
    construct(target, args, newTarget) {
      const [first] = args
      if (typeof first === 'number') allocated += first * itemBytes
      else if (first?.byteLength === undefined || ArrayBuffer.isView(first)) {
        allocated += (first?.length ?? 0) * itemBytes
      }
      return Reflect.construct(target, args, newTarget === proxy ? target : newTarget)
    },
  })
  return proxy
}
