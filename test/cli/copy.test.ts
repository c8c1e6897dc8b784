import { execFileSync } from 'node:child_process'
import { link, mkdtemp, open, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type CopyOptions, copy } from '../../src/cli/commands/copy.ts'
import { parseDiskAddress } from '../../src/cli/disk-address.ts'
import { FileStorage } from '../../src/sources/file.node.ts'
import { ensureBuilt, project } from '../support/built-library.ts'
import { type CommandRun, runCommand } from '../support/run-command.ts'

const BLOCK = 65536
let folder: string
let files = 0
const newPath = () => join(folder, `disk-${files++}`)

beforeAll(async () => {
  await ensureBuilt()
  folder = await mkdtemp(join(tmpdir(), 'blockferry-copy-'))
  // The tools of file systems are not on everybody's path.
  process.env.PATH += `${delimiter}/sbin${delimiter}/usr/sbin`
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

/** A file of noise, whose blocks all differ. */
async function noise(size: number): Promise<string> {
  const path = newPath()
  const bytes = new Uint8Array(size)
  let state = files * 2654435761
  for (let index = 0; index < size; index++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    bytes[index] = state >>> 16
  }
  await writeFile(path, bytes)
  return path
}

const blockferry = (...args: string[]) => runCommand(args)

/** Both files hold the same bytes, asked of `cmp`. */
const expectSameFiles = (first: string, second: string) => execFileSync('cmp', [first, second])

/** A failure is exit code 1 and one line on standard error. */
function expectFailure(run: CommandRun, line: RegExp): void {
  expect(run.stderr).toMatch(line)
  expect(run.stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(run.exitCode).toBe(1)
}

describe('blockferry copy', () => {
  it('copies a real file system: fsck finds nothing and cmp no difference', async () => {
    const [image, copied] = [newPath(), newPath()]
    execFileSync('mkfs.ext4', ['-q', '-d', join(project, 'src'), image, '32M'])
    const run = await blockferry('copy', image, copied)
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    expect(run.stdout).toMatch(/^32 MiB copied to .* in .*\nverified, root hash [0-9a-f]{32}\n$/)
    expectSameFiles(image, copied)
    execFileSync('e2fsck', ['-fn', copied], { stdio: 'pipe' })
    // Its empty half stays a hole.
    expect((await stat(copied)).blocks * 512).toBeLessThan(16 * 2 ** 20)
  })

  it('prints objects for machines: progress, then the result', async () => {
    const image = await noise(3 * BLOCK + 17)
    const run = await blockferry('copy', image, newPath(), '--json')
    const objects = run.objects()
    expect(objects.map(({ event }) => event)).toContain('progress')
    expect(objects.find(({ phase }) => phase === 'verify')).toMatchObject({ totalBytes: 3 * BLOCK + 17 })
    expect(objects.at(-1)).toMatchObject({
      event: 'result',
      command: 'copy',
      size: 3 * BLOCK + 17,
      bytesCopied: 3 * BLOCK + 17,
      verified: true,
      root: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    expect(run.stderr).toBe('')
  })

  it('writes only the blocks that differ with --changed', async () => {
    const image = await noise(20 * BLOCK + 5)
    const copied = newPath()
    await blockferry('copy', image, copied)
    const handle = await open(image, 'r+')
    for (const offset of [0, 7 * BLOCK - 1, 7 * BLOCK, 20 * BLOCK + 4])
      await handle.write(Buffer.from([0xff ^ files]), 0, 1, offset)
    await handle.close()
    const run = await blockferry('copy', '--changed', image, copied, '--json')
    expect(run.objects().at(-1)).toMatchObject({ event: 'result', bytesCopied: 3 * BLOCK + 5, verified: true })
    expectSameFiles(image, copied)
    const again = await blockferry('copy', '--changed', image, copied)
    expect(again.stdout).toMatch(/^0 B of 1\.25 MiB differed and were copied/)
  })

  it('stores zeroes where the source has zeroes and the destination has not', async () => {
    const image = newPath()
    await writeFile(image, '')
    await truncate(image, 40 * BLOCK)
    for (const flag of ['--changed', '--force']) {
      const copied = await noise(40 * BLOCK)
      expect(await blockferry('copy', flag, image, copied)).toMatchObject({ exitCode: 0 })
      expectSameFiles(image, copied)
    }
  })

  it.each(['512', '4KiB', '1MiB', '16MiB'])('copies with blocks of %s', async (size) => {
    const image = await noise(2 ** 21 + 1)
    const copied = newPath()
    expect(await blockferry('copy', image, copied, '--block-size', size, '--concurrency', '3')).toMatchObject({
      exitCode: 0,
    })
    expectSameFiles(image, copied)
  })

  it('copies to and from memory', async () => {
    const image = await noise(BLOCK)
    expect(await blockferry('copy', image, 'memory:')).toMatchObject({ exitCode: 0 })
    expect(await blockferry('copy', image, 'memory:64KiB', '--no-verify')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('not verified'),
    })
    const path = newPath()
    expect(await blockferry('copy', 'memory:1MiB', path)).toMatchObject({ exitCode: 0 })
    expect((await readFile(path)).equals(Buffer.alloc(2 ** 20))).toBe(true)
    expectFailure(await blockferry('copy', image, 'memory:1MiB'), /1048576 bytes.* 65536 .*\[SIZE_MISMATCH\]/)
    expectFailure(await blockferry('copy', 'memory:', path), /needs a size.*\[SIZE_MISMATCH\]/)
  })

  it('does not write over a file unless it is told to', async () => {
    const [image, existing] = [await noise(BLOCK), await noise(3 * BLOCK)]
    const before = await readFile(existing)
    expectFailure(await blockferry('copy', image, existing), /exists.*--force.*--changed/)
    expectFailure(
      await blockferry('copy', '--changed', image, existing),
      /196608 bytes.*65536.*--force.*\[SIZE_MISMATCH\]/,
    )
    expect((await readFile(existing)).equals(before)).toBe(true)
    expect(await blockferry('copy', '--force', image, existing)).toMatchObject({ exitCode: 0 })
    expectSameFiles(image, existing)
  })

  it.each([1, 3])('gives a destination of %i blocks the size of the source with --changed --force', async (blocks) => {
    const [image, existing] = [await noise(2 * BLOCK), await noise(blocks * BLOCK)]
    expect(await blockferry('copy', '--changed', '--force', image, existing)).toMatchObject({ exitCode: 0 })
    expectSameFiles(image, existing)
  })

  it('refuses to copy a disk onto itself, also by a link', async () => {
    const image = await noise(BLOCK)
    await symlink(image, `${image}.symbolic`)
    await link(image, `${image}.hard`)
    const before = await readFile(image)
    for (const other of [
      image,
      `${image}.symbolic`,
      `${image}.hard`,
      join(folder, '.', 'x', '..', image.slice(folder.length)),
    ]) {
      expectFailure(await blockferry('copy', '--force', image, other), /are the same disk/)
    }
    expect((await readFile(image)).equals(before)).toBe(true)
  })

  it('says in one line what is missing or no disk', async () => {
    expectFailure(await blockferry('copy', newPath(), newPath()), /^blockferry: .*no such file.*\[NOT_FOUND\]$/m)
    expectFailure(await blockferry('copy', folder, newPath()), /not a file or a block device \[OPEN_FAILED\]/)
    expectFailure(await blockferry('copy', await noise(10), join(newPath(), 'x')), /\[NOT_FOUND\]/)
    const left = (await readdir(folder)).filter((name) => name === 'x')
    expect(left).toEqual([])
  })

  it('prints the failure as an object too, and stacks only in debug mode', async () => {
    const machine = await blockferry('copy', newPath(), newPath(), '--json')
    expect(machine.objects()).toEqual([
      { event: 'error', code: 'NOT_FOUND', message: expect.stringContaining('no such file') },
    ])
    expect((await blockferry('copy', newPath(), newPath())).stderr).not.toContain('    at ')
    const debug = await blockferry('copy', newPath(), newPath(), '--debug')
    expect(debug.stderr).toContain('    at ')
    expect(debug.stderr).toContain('Caused by: Error: ENOENT')
  })

  it('stops at an interrupt, leaves the destination and says that it is incomplete', async () => {
    const [image, copied] = [newPath(), newPath()]
    await writeFile(image, 'x')
    await truncate(image, 2 ** 34)
    let interrupted = false
    const run = await runCommand(['copy', image, copied, '--json'], {
      onOutput: (_, child) => {
        if (!interrupted) child.kill('SIGINT')
        interrupted = true
      },
    })
    expectFailure(run, /cancelled; ".*" is incomplete \[ABORTED\]/)
    expect(run.objects().at(-1)).toMatchObject({ event: 'error', code: 'ABORTED' })
    expect((await stat(copied)).size).toBe(2 ** 34)
  })
})

describe('copy', () => {
  const output = { progress() {}, note() {}, warn() {}, event() {}, result() {}, failure() {}, close() {} }
  const options = async (): Promise<CopyOptions> => ({
    from: parseDiskAddress(await noise(5 * BLOCK)),
    to: parseDiskAddress(newPath()),
    ...{ blockSize: BLOCK, concurrency: undefined, changed: false, force: false, verify: true },
  })

  it('notices when the destination stored something else', async () => {
    const original = FileStorage.prototype.writeAt
    const spy = vi.spyOn(FileStorage.prototype, 'writeAt').mockImplementation(function (
      this: FileStorage,
      data,
      offset,
      io,
    ) {
      const wrong = data.slice()
      wrong[wrong.length - 1]! ^= 1
      return original.call(this, wrong, offset, io)
    })
    try {
      const copying = copy(await options(), output, new AbortController().signal)
      await expect(copying).rejects.toMatchObject({
        code: 'VERIFY_FAILED',
        message: expect.stringContaining('is incomplete'),
      })
    } finally {
      spy.mockRestore()
    }
  })

  it('closes both disks when it fails', async () => {
    const closed = vi.spyOn(FileStorage.prototype, 'close')
    try {
      const failing = copy(await options(), output, AbortSignal.abort())
      await expect(failing).rejects.toMatchObject({ code: 'ABORTED' })
      expect(closed).toHaveBeenCalledTimes(2)
    } finally {
      closed.mockRestore()
    }
  })
})
