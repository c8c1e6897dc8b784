import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { KernelBuild } from '../../src/kernels/kernels.ts'

const BUILDS: KernelBuild[] = ['simd', 'scalar', 'typescript']

/** The room as a page loads it: no default yet, nothing compiled. */
async function freshRoom() {
  vi.resetModules()
  const [load, builds] = await Promise.all([import('../../src/kernels/load.ts'), import('../../src/kernels/builds.ts')])
  return { ...load, ...builds }
}

type Room = Awaited<ReturnType<typeof freshRoom>>
let room: Room

beforeEach(async () => {
  room = await freshRoom()
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

/** A content security policy without `wasm-unsafe-eval`, as Chromium words it. */
function forbidWasm(): void {
  const refuse = function refuse(): never {
    throw new WebAssembly.CompileError(
      'Compiling or instantiating WebAssembly module violates the Content Security policy',
    )
  }
  vi.spyOn(WebAssembly, 'Module').mockImplementation(refuse)
  vi.spyOn(WebAssembly, 'compile').mockImplementation(async () => refuse())
}

describe('the default', () => {
  test('is the build with vectors here, made once', () => {
    expect(room.defaultKernels().build).toBe('simd')
    expect(room.defaultKernels()).toBe(room.defaultKernels())
  })

  test('is the scalar build where vectors do not validate', () => {
    const real = WebAssembly.validate
    const simd = room.buildBytes('simd')!
    vi.spyOn(WebAssembly, 'validate').mockImplementation((bytes) => real(bytes) && bytes.byteLength !== simd.byteLength)
    expect(room.defaultKernels().build).toBe('scalar')
  })

  test('is the twin where WASM is missing', () => {
    vi.stubGlobal('WebAssembly', undefined)
    expect(room.defaultKernels().build).toBe('typescript')
  })

  test('is the twin where the page forbids WASM', async () => {
    forbidWasm()
    expect(room.defaultKernels().build).toBe('typescript')
    room = await freshRoom()
    expect((await room.loadKernels()).build).toBe('typescript')
  })

  test('is the twin where no WASM memory is left', () => {
    vi.spyOn(WebAssembly, 'Memory').mockImplementation(function refuse() {
      throw new RangeError('could not allocate memory')
    })
    expect(room.defaultKernels().build).toBe('typescript')
  })
})

describe('loadKernels', () => {
  test('without a source resolves with the default, whoever comes first', async () => {
    const [first, second] = await Promise.all([room.loadKernels(), room.loadKernels()])
    expect(first.build).toBe('simd')
    expect(second).toBe(first)
    expect(room.defaultKernels()).toBe(first)
  })

  test.each(BUILDS)('with build %s makes it the default when there is none', async (build) => {
    const kernels = await room.loadKernels({ build })
    expect(kernels.build).toBe(build)
    expect(room.defaultKernels()).toBe(kernels)
  })

  test('after first use gives what was asked for and leaves the default alone', async () => {
    const before = room.defaultKernels()
    const kernels = await room.loadKernels({ build: 'scalar' })
    expect(kernels.build).toBe('scalar')
    expect(kernels.buffer).not.toBe(before.buffer)
    expect(room.defaultKernels()).toBe(before)
  })

  test('takes a module, bytes or a URL, and reports the build the bytes are', async () => {
    const scalar = room.buildBytes('scalar')!
    expect((await room.loadKernels({ bytes: scalar })).build).toBe('scalar')
    expect((await room.loadKernels({ module: new WebAssembly.Module(room.buildBytes('simd')!) })).build).toBe('simd')
    vi.stubGlobal('fetch', async () => new Response(scalar))
    expect((await room.loadKernels({ url: 'https://example.test/kernels.wasm' })).build).toBe('scalar')
  })

  test('refuses what is not kernels, and a URL that gives nothing, by code', async () => {
    const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
    await expect(room.loadKernels({ bytes: empty })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
    await expect(room.loadKernels({ bytes: new Uint8Array(3) })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
    vi.stubGlobal('fetch', async () => new Response('', { status: 404 }))
    await expect(room.loadKernels({ url: 'https://example.test/' })).rejects.toMatchObject({ code: 'OPEN_FAILED' })
    vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('fetch failed')))
    await expect(room.loadKernels({ url: 'https://example.test/' })).rejects.toMatchObject({ code: 'OPEN_FAILED' })
    const two = { build: 'simd', bytes: empty } as const
    await expect(room.loadKernels(two)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(room.defaultKernels().build).toBe('simd')
  })
})

describe.each(BUILDS)('createKernels, %s', (build) => {
  test('gives a memory of its own each time', () => {
    expect(room.createKernels({ build }).buffer).not.toBe(room.createKernels({ build }).buffer)
  })

  test('with fixed bytes holds them, and never replaces its buffer', () => {
    const kernels = room.createKernels({ build, fixedBytes: 2 ** 20 })
    const { buffer } = kernels
    expect(kernels.allocate(2 ** 20)).toBe(64)
    expect(kernels.allocate(2 ** 20)).toBe(0)
    kernels.free(64, 2 ** 20)
    expect(kernels.allocate(2 ** 19)).toBe(64)
    expect(kernels.buffer).toBe(buffer)
  })

  test('with a maximum grows up to it and no further', () => {
    const kernels = room.createKernels({ build, maximumBytes: 2 ** 20 })
    expect(kernels.allocate(2 ** 20)).toBe(0)
    expect(kernels.allocate(2 ** 20 - 64)).toBe(64)
    expect(kernels.buffer.byteLength).toBe(2 ** 20)
  })

  test('works above 2 GiB, where signed addresses would be negative', () => {
    // Reserved at once, since growing the twin copies all it has.
    const kernels = room.createKernels({ build, fixedBytes: 2 ** 31 + 2 ** 20 })
    const below = kernels.allocate(2 ** 31 - 64 - 4096)
    const a = kernels.allocate(8192)
    const b = kernels.allocate(8192)
    const out = kernels.allocate(64)
    expect([below, a, b, out]).toEqual([64, 2 ** 31 - 4096, 2 ** 31 + 4096, 2 ** 31 + 12288])
    kernels.bitSetRange(b, 5, 8192 * 8)
    expect(kernels.bitCount(b, 0, 8192 * 8)).toBe(8192 * 8 - 5)
    expect(kernels.bitNextSet(b, 0, 8192 * 8)).toBe(5)
    expect(kernels.bitCollect(b, 0, 8192 * 8, out, 3)).toBe(3)
    expect([...new Uint32Array(kernels.buffer, out, 3)]).toEqual([5, 6, 7])
    expect(kernels.firstDifference(a, b, 8192)).toBe(0)
    kernels.copy(a, b, 8192)
    expect(kernels.equal(a, b, 8192)).toBe(true)
    kernels.xor(a, b, 8192)
    expect(kernels.isZero(a, 8192)).toBe(true)
    expect(kernels.changedBlocks(a, b, 8192, 4096, out, 4)).toBe(2)
  })

  test('takes a gigabyte at once without touching it', () => {
    const kernels = room.createKernels({ build })
    const before = process.memoryUsage.rss()
    expect(kernels.allocate(2 ** 30)).toBe(64)
    // Untouched pages take no memory; a pass over them would show, whatever else this process does meanwhile.
    expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 28)
  })
})

test('what cannot be had is refused by code', () => {
  vi.stubGlobal('WebAssembly', undefined)
  expect(() => room.createKernels({ build: 'simd' })).toThrowError(expect.objectContaining({ code: 'NOT_SUPPORTED' }))
  for (const fixedBytes of [-1, 0.5, Number.NaN, 2 ** 32]) {
    expect(() => room.createKernels({ fixedBytes })).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  }
  expect(() => room.createKernels({ maximumBytes: 0 })).toThrowError(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  )
  vi.stubGlobal('ArrayBuffer', function refuse() {
    throw new RangeError('Array buffer allocation failed')
  })
  expect(() => room.createKernels({ fixedBytes: 2 ** 20 })).toThrowError(
    expect.objectContaining({ code: 'OUT_OF_MEMORY' }),
  )
})
