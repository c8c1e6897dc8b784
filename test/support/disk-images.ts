import { execFileSync } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { seededRandom } from '../../src/async/random.ts'

/** Bytes that no two blocks share and nothing compresses. */
export function noise(size: number, seed: number): Uint8Array {
  const random = seededRandom(seed)
  return new Uint8Array(Uint32Array.from({ length: Math.ceil(size / 4) }, () => random() * 2 ** 32).buffer, 0, size)
}

/** A file system with a large file in it, and where that file lies: writes into it leave the file system whole. */
export interface ExtImage {
  readonly path: string
  readonly file: { readonly offset: number; readonly length: number }
}

/** Makes an ext4 image of 32 MiB whose half is one file of noise. The tools of file systems must be on the path. */
export async function makeExtImage(folder: string, name: string): Promise<ExtImage> {
  const content = join(folder, `${name}.content`)
  const path = join(folder, name)
  await mkdir(content)
  await writeFile(join(content, 'data'), noise(16 * 2 ** 20, 7))
  execFileSync('mkfs.ext4', ['-q', '-b', '4096', '-d', content, path, '32M'], { stdio: 'pipe' })
  await rm(content, { recursive: true })
  const blocks = execFileSync('debugfs', ['-R', 'blocks /data', path], { stdio: ['ignore', 'pipe', 'pipe'] })
  return { path, file: longestRun(blocks.toString().trim().split(/\s+/).map(Number)) }
}

/** The longest run of neighbouring numbers, as a range of bytes. */
function longestRun(blocks: readonly number[]): { offset: number; length: number } {
  let best = { start: 0, count: 0 }
  for (let start = 0, end: number; start < blocks.length; start = end) {
    for (end = start + 1; blocks[end] === blocks[end - 1]! + 1; ) end++
    if (end - start > best.count) best = { start: blocks[start]!, count: end - start }
  }
  return { offset: best.start * 4096, length: best.count * 4096 }
}
