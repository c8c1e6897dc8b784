// Makes one file of the simulator and the shipped code, for Node and for a page: `build/simulation/*.mjs`.
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { build } from 'vite'
import { project } from '../../demo/install.mjs'

/** Nothing in a simulation may ask the machine for the time: whoever does so was not given the clock. */
const CLOCK_TRAP = `
export const systemClock = {
  now() { throw new Error('the wall clock was asked for the time') },
  sleep() { throw new Error('the wall clock was asked to wake somebody') },
  yield() { throw new Error('the wall clock was asked for a turn') },
}
`

/** Disks are kilobytes here: what is meant for gigabytes is made as small, or its end would never be met. */
const SMALL_LIMITS = {
  'src/devices/limits.ts': { CHECKPOINT_BYTES: '2048', FLUSHED_BYTES: '8192', HASHED_BYTES: '4096' },
  'src/migration/limits.ts': { FIRST_HOLE_BYTES: '4096', JOURNAL_READ_BYTES: '4096' },
  'src/protocol/limits.ts': {
    REQUEST_BYTES: '32768',
    BATCH_BYTES: '4096',
    ACK_BYTES: '4096',
    DIRTY_LIST_BLOCKS: '3',
    ACTIVE_WRITES: '3',
    HANDLED_BYTES: '16384',
    CLAIMED_PAGES: '1',
    LEAF_PAGES: '1',
    KEPT_RANGES: '20',
  },
  'src/protocol/packets/write-patch.ts': { PIECE_BYTES: '256' },
  'src/protocol/packets/read-digests.ts': { PAGE_BLOCKS: '16' },
  'src/storage/hash-tree.ts': { FAN_OUT: '16' },
  'src/storage/block-digests.ts': { SLICE_BLOCKS: '8' },
}

/** @throws Error when a limit is not there any more */
function withSmallLimits(path, text) {
  let small = text
  for (const [name, value] of Object.entries(SMALL_LIMITS[path])) {
    const place = new RegExp(`^export const ${name} = .*$`, 'm')
    if (!place.test(small)) throw new Error(`${path} has no ${name}`)
    small = small.replace(place, `export const ${name} = ${value}`)
  }
  return small
}

/**
 * `change(path, text)` may return another text for a file of the repository; the file itself stays as it is.
 * @returns the path of the bundle
 */
export async function bundleSimulator(name, change) {
  const folder = join(project, 'build/simulation')
  // Several may be made at once, and nobody may read a half.
  const draft = join(folder, `draft-${process.pid}-${name}`)
  mkdirSync(draft, { recursive: true })
  await build({
    configFile: false,
    root: project,
    logLevel: 'error',
    plugins: [
      {
        name: 'simulated',
        enforce: 'pre',
        transform(text, id) {
          const path = relative(project, id.split('?')[0]).split(sep).join('/')
          if (path === 'src/async/clock.ts') return CLOCK_TRAP
          const small = path in SMALL_LIMITS ? withSmallLimits(path, text) : text
          return change?.(path, small) ?? (small === text ? undefined : small)
        },
      },
    ],
    build: {
      outDir: draft,
      emptyOutDir: false,
      target: 'es2022',
      minify: false,
      lib: { entry: join(project, 'test/simulation/command.ts'), formats: ['es'], fileName: () => `${name}.mjs` },
      rollupOptions: { output: { codeSplitting: false } },
      reportCompressedSize: false,
    },
  })
  const bundle = join(folder, `${name}.mjs`)
  renameSync(join(draft, `${name}.mjs`), bundle)
  rmSync(draft, { recursive: true })
  return bundle
}
