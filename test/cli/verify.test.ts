import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ensureBuilt } from '../support/built-library.ts'
import { noise } from '../support/disk-images.ts'
import { MovingCommands } from '../support/moving-commands.ts'
import { runCommand } from '../support/run-command.ts'

const MiB = 2 ** 20
/** More than a page of digests, and a short block at the end. */
const SIZE = 20 * MiB + 777
let folder: string
let files = 0
const newPath = () => join(folder, `disk-${files++}`)

beforeAll(async () => {
  await ensureBuilt()
  folder = await mkdtemp(join(tmpdir(), 'blockferry-verify-'))
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

const commands = new MovingCommands()
afterEach(() => commands.end())

/** Two disks that differ in three places, the last byte among them. */
async function twoDisks(): Promise<[string, string]> {
  const [a, b] = [newPath(), newPath()]
  const bytes = noise(SIZE, files)
  await writeFile(a, bytes)
  await writeFile(b, bytes)
  const file = await open(b, 'r+')
  for (const offset of [5, 17 * MiB, 17 * MiB + 65536, SIZE - 1]) {
    await file.write(Uint8Array.of(bytes[offset]! ^ 1), 0, 1, offset)
  }
  await file.close()
  return [a, b]
}

const verified = (run: { stdout: string }) => JSON.parse(run.stdout.trimEnd().split('\n').at(-1)!)

describe('verify', () => {
  it('says with its exit code whether two files are equal, where not, and repairs', async () => {
    const [a, b] = await twoDisks()
    expect(await runCommand(['verify', a, a])).toMatchObject({ exitCode: 2 })
    const found = await runCommand(['verify', a, b, '--json'])
    expect(found.exitCode).toBe(1)
    expect(verified(found)).toMatchObject({ event: 'result', equal: false, differingBlocks: 4, repairedBlocks: 0 })
    expect(verified(found).runs).toEqual([
      { offset: 0, blocks: 1 },
      { offset: 17 * MiB, blocks: 2 },
      { offset: 20 * MiB, blocks: 1 },
    ])
    const repaired = await runCommand(['verify', a, b, '--repair', '--json'])
    expect(repaired.exitCode).toBe(0)
    expect(verified(repaired)).toMatchObject({ equal: true, differingBlocks: 4, repairedBlocks: 4 })
    expect(await runCommand(['verify', a, b])).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('equal') })
    expect((await readFile(a)).equals(await readFile(b))).toBe(true)
  })

  it('compares with a disk that is served by exchanging hashes, and takes from it what differs', async () => {
    const [a, b] = await twoDisks()
    const { url } = await commands.serve(a)
    const slow = await commands.slowed(url, 100 * MiB)
    const found = await runCommand(['verify', slow.url, b, '--json'])
    expect(found.exitCode).toBe(1)
    expect(verified(found)).toMatchObject({ differingBlocks: 4, size: SIZE })
    // Digests of two pages, and no block.
    expect(slow.link.carried).toBeLessThan(20_000)
    expect(await runCommand(['verify', slow.url, b, '--repair'])).toMatchObject({ exitCode: 0 })
    expect(slow.link.carried).toBeLessThan(4 * 65536 + 100_000)
    expect((await readFile(a)).equals(await readFile(b))).toBe(true)
  })

  it('repairs a disk that is served where that is allowed, and compares two that are', async () => {
    const [a, b] = await twoDisks()
    const [first, second, closed] = await Promise.all([
      commands.serve(a, [], 'ws://127.0.0.1:0'),
      commands.serve(b, ['--allow-repair']),
      commands.serve(await twoDisks().then(([, path]) => path)),
    ])
    expect(await runCommand(['verify', first.url, second.url])).toMatchObject({ exitCode: 1 })
    const refused = await runCommand(['verify', a, closed.url, '--repair'])
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/may not be repaired.*\[LOCKED\]\n$/) })
    expect(await runCommand(['verify', first.url, second.url, '--repair'])).toMatchObject({ exitCode: 0 })
    second.serve.kill('SIGINT')
    await second.serve.ended
    expect((await readFile(a)).equals(await readFile(b))).toBe(true)
  }, 120_000)

  it('tells with exit code 2 that it could not tell', async () => {
    const [a] = await twoDisks()
    const short = newPath()
    await writeFile(short, new Uint8Array(1000))
    const runs = await Promise.all([
      runCommand(['verify', a, newPath()]),
      runCommand(['verify', a, short]),
      runCommand(['verify', a, 'tcp://127.0.0.1:1']),
    ])
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([2, 2, 2])
    expect(runs.map(({ stderr }) => /\[(\w+)\]\n$/.exec(stderr)?.[1])).toEqual([
      'NOT_FOUND',
      'SIZE_MISMATCH',
      'OPEN_FAILED',
    ])
  })
})
