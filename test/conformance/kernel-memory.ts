import { seededRandom } from '../../src/async/random.ts'
import type { Kernels } from '../../src/kernels/kernels.ts'
import { type ConformanceCase, expectCode, expectSame, expectThat } from './case.ts'

interface Region {
  readonly pointer: number
  readonly bytes: number
  readonly mark: number
}

/** Allocation: what {@link Kernels.allocate} and {@link Kernels.free} promise. */
export function memoryCases(create: () => Kernels, seed: number): ConformanceCase[] {
  return [
    {
      name: 'memory: the build is one of the three',
      async run() {
        const { build } = create()
        expectThat(['simd', 'scalar', 'typescript'].includes(build), `a known build, not ${build}`)
      },
    },
    {
      name: 'memory: allocations are zero, aligned to 64 bytes, apart, and never at 0',
      async run() {
        const kernels = create()
        let behind = 64
        for (const bytes of [0, 1, 63, 64, 65, 4096, 1]) {
          const pointer = kernels.allocate(bytes)
          expectThat(pointer >= behind && pointer % 64 === 0, `an aligned pointer from ${behind} on, not ${pointer}`)
          expectZero(kernels, pointer, bytes)
          behind = pointer + Math.max(bytes, 1)
        }
      },
    },
    {
      name: 'memory: what was used before is wiped before it is handed out again',
      async run() {
        const kernels = create()
        const first = kernels.allocate(1000)
        fill(kernels, first, 1000, 0xab)
        kernels.free(first, 1000)
        const again = kernels.allocate(100)
        expectSame(again, first, 'the freed region is used first')
        expectZero(kernels, again, 100)
        // This one begins in the rest of the dirty region and ends in memory nobody had yet.
        const longer = kernels.allocate(5000)
        expectSame(longer, first + 128, 'the rest of the freed region and what is behind it')
        expectZero(kernels, longer, 5000)
      },
    },
    {
      name: 'memory: freed neighbours become one region, in whatever order they are freed',
      async run() {
        for (const order of ['012', '021', '102', '120', '201', '210']) {
          const kernels = create()
          const parts = [kernels.allocate(64), kernels.allocate(128), kernels.allocate(64)]
          const sizes = [64, 128, 64]
          const wall = kernels.allocate(64)
          for (const part of order) kernels.free(parts[Number(part)]!, sizes[Number(part)]!)
          expectSame(kernels.allocate(256), parts[0]!, `freed in order ${order}`)
          expectThat(kernels.allocate(64) > wall, 'the next one comes behind')
        }
      },
    },
    {
      name: 'memory: a region that is not out is refused',
      async run() {
        const kernels = create()
        const pointer = kernels.allocate(256)
        const other = kernels.allocate(64)
        await expectCode(() => kernels.free(0, 64), 'INVALID_ARGUMENT', 'pointer 0')
        await expectCode(() => kernels.free(pointer + 1, 64), 'INVALID_ARGUMENT', 'an unaligned pointer')
        await expectCode(() => kernels.free(Number.NaN, 64), 'INVALID_ARGUMENT', 'NaN')
        await expectCode(() => kernels.free(other, 128), 'INVALID_ARGUMENT', 'more than was handed out')
        await expectCode(() => kernels.allocate(-1), 'INVALID_ARGUMENT', 'a negative size')
        await expectCode(() => kernels.allocate(0.5), 'INVALID_ARGUMENT', 'a fraction')
        kernels.free(pointer, 256)
        await expectCode(() => kernels.free(pointer, 256), 'INVALID_ARGUMENT', 'freed twice')
        await expectCode(() => kernels.free(pointer + 64, 64), 'INVALID_ARGUMENT', 'inside a free region')
        expectSame(kernels.allocate(256), pointer, 'refusals change nothing')
      },
    },
    {
      name: 'memory: growing replaces the buffer, keeps the bytes and detaches old views',
      async run() {
        const kernels = create()
        const pointer = kernels.allocate(100)
        fill(kernels, pointer, 100, 0x5a)
        const before = kernels.buffer
        const view = new Uint8Array(before, pointer, 100)
        const large = kernels.allocate(8 * 2 ** 20)
        expectThat(large !== 0, '8 MiB fit')
        expectThat(kernels.buffer !== before, 'another buffer')
        expectSame(view.length, 0, 'length of a view of the old one')
        expectThat(
          new Uint8Array(kernels.buffer, pointer, 100).every((byte) => byte === 0x5a),
          'the bytes are kept',
        )
        expectZero(kernels, large, 8 * 2 ** 20)
      },
    },
    {
      name: 'memory: what does not fit is 0 and takes nothing',
      async run() {
        const kernels = create()
        expectSame(kernels.allocate(2 ** 32), 0, 'beyond the address space')
        expectSame(kernels.allocate(Number.MAX_SAFE_INTEGER), 0, 'far beyond')
        expectSame(kernels.allocate(64), 64, 'the first region is still free')
      },
    },
    {
      name: 'memory: random use never overlaps, leaks or hands out old bytes',
      async run() {
        const kernels = create()
        const random = seededRandom(seed)
        const out: Region[] = []
        for (let step = 0; step < 3000; step++) {
          if (random() < 0.55 && out.length < 100) {
            const bytes = Math.floor(random() ** 4 * 50_000)
            const pointer = kernels.allocate(bytes)
            expectZero(kernels, pointer, bytes, `seed ${seed} step ${step}`)
            const mark = 1 + (step % 255)
            fill(kernels, pointer, bytes, mark)
            out.push({ pointer, bytes, mark })
          } else if (out.length > 0) {
            const [region] = out.splice(Math.floor(random() * out.length), 1)
            expectMarked(kernels, region!, `seed ${seed} step ${step}`)
            kernels.free(region!.pointer, region!.bytes)
          }
        }
        for (const region of out) {
          expectMarked(kernels, region, `seed ${seed} at the end`)
          kernels.free(region.pointer, region.bytes)
        }
        expectSame(kernels.allocate(1_000_000), 64, 'when all is freed, all is one region again')
      },
    },
  ]
}

function fill(kernels: Kernels, pointer: number, bytes: number, value: number): void {
  new Uint8Array(kernels.buffer, pointer, bytes).fill(value)
}

function expectZero(kernels: Kernels, pointer: number, bytes: number, what = 'allocated'): void {
  const found = new Uint8Array(kernels.buffer, pointer, bytes).findIndex((byte) => byte !== 0)
  expectSame(found, -1, `${what}: first byte that is not zero`)
}

function expectMarked(kernels: Kernels, region: Region, what: string): void {
  const bytes = new Uint8Array(kernels.buffer, region.pointer, region.bytes)
  expectSame(
    bytes.findIndex((byte) => byte !== region.mark),
    -1,
    `${what}: first byte that is not ours`,
  )
}
