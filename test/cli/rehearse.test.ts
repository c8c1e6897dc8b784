import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureBuilt, project } from '../support/built-library.ts'
import { runCommand } from '../support/run-command.ts'

let folder: string
let image: string
beforeAll(async () => {
  await ensureBuilt()
  folder = await mkdtemp(join(tmpdir(), 'blockferry-rehearse-'))
  image = join(folder, 'image')
  process.env.PATH += `${delimiter}/sbin${delimiter}/usr/sbin`
  execFileSync('mkfs.ext4', ['-q', '-d', join(project, 'src'), image, '16M'])
  await chmod(image, 0o400)
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

describe('blockferry rehearse', () => {
  it.each(['zipf', 'uniform', 'sequential'])(
    'moves a copy of a real file system under %s writes and ends equal',
    async (pattern) => {
      const before = await readFile(image)
      const run = await runCommand([
        'rehearse',
        image,
        '--pattern',
        pattern,
        '--link-rate',
        '40MiB/s',
        '--write-rate',
        '4MiB/s',
        '--json',
      ])
      expect(run).toMatchObject({ exitCode: 0, stderr: '' })
      const result = run.objects().at(-1)!
      expect(result).toMatchObject({ event: 'result', command: 'rehearse', size: 2 ** 24, blocks: 256, equal: true })
      expect(result.root).toMatch(/^[0-9a-f]{32}$/)
      expect(result.rounds).toBeGreaterThan(0)
      expect(result.blocksDirtied).toBeGreaterThan(0)
      expect(result.sentOverSize).toBeGreaterThan(1)
      expect(result.bytesWritten).toBeGreaterThan(2 ** 18)
      expect(result.longestPauseMs).toBeGreaterThan(0)
      expect(result.predictedPauseMs).toBeGreaterThanOrEqual(0)
      const phases = new Set(run.objects().map(({ phase }) => phase))
      for (const phase of ['load', 'move', 'round 1', 'compare']) expect(phases).toContain(phase)
      expect((await readFile(image)).equals(before)).toBe(true)
    },
  )

  it('tells people the same, in files of a directory that is empty again afterwards', async () => {
    const directory = await mkdtemp(join(folder, 'work-'))
    const run = await runCommand(['rehearse', image, '--directory', directory, '--write-rate', '1MiB/s', '--seed', '7'])
    expect(run.exitCode).toBe(0)
    expect(run.stderr).toContain(`working on copies in ${directory}`)
    for (const word of [
      '16 MiB moved',
      'seed 7',
      'rounds',
      'times the disk',
      'blocks dirtied',
      'longest pause',
      'both sides are equal',
    ]) {
      expect(run.stdout).toContain(word)
    }
    expect(await readdir(directory)).toEqual([])
  })

  it('says when the writer is too fast for the link, and cleans up', async () => {
    const directory = await mkdtemp(join(folder, 'work-'))
    const small = join(folder, 'small')
    await writeFile(small, new Uint8Array(2 ** 21).fill(1))
    const busy = ['--pattern', 'uniform', '--write-rate', '40MiB/s', '--link-rate', '32MiB/s', '--max-pause', '1']
    const run = await runCommand(['rehearse', small, '--directory', directory, ...busy])
    expect(run.stderr).toMatch(/slow it down or allow a longer pause.*\[DID_NOT_CONVERGE\]/)
    expect(run.exitCode).toBe(1)
    expect(await readdir(directory)).toEqual([])
  })

  it('stops at an interrupt and leaves nothing behind', async () => {
    const directory = await mkdtemp(join(folder, 'work-'))
    let interrupted = false
    const run = await runCommand(['rehearse', image, '--directory', directory, '--link-rate', '1MiB/s', '--json'], {
      onOutput: (text, child) => {
        if (interrupted || !text.includes('"phase":"move"')) return
        interrupted = true
        child.kill('SIGINT')
      },
    })
    expect(run.exitCode).toBe(1)
    expect(run.objects().at(-1)).toMatchObject({ event: 'error', code: 'ABORTED' })
    expect(await readdir(directory)).toEqual([])
  })

  it('takes the smallest disks', async () => {
    const tiny = join(folder, 'tiny')
    await writeFile(tiny, 'x')
    expect(await runCommand(['rehearse', tiny, '--write-rate', '1K'])).toMatchObject({ exitCode: 0 })
  })
})
