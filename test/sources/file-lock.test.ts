import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileStorage } from '../../src/sources/file.node.ts'

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-lock-'))
  path = join(folder, 'disk')
})
afterEach(() => rm(folder, { recursive: true }))

const open = () => FileStorage.open(path, { create: 4096, exclusive: true })

/** The lock as a process left it that has ended. */
async function leaveLock(changes: object = {}): Promise<void> {
  const child = spawn(process.execPath, ['-e', ''])
  await new Promise((resolve) => child.once('exit', resolve))
  await writeFile(`${path}.lock`, JSON.stringify({ pid: child.pid, host: hostname(), start: '', ...changes }))
}

describe('a file that is opened exclusively', () => {
  it('is refused to the next one, who is told who holds it, and is free once it was closed', async () => {
    const first = await open()
    const refusal = { code: 'LOCKED', context: { path, lock: `${path}.lock`, pid: process.pid, host: hostname() } }
    await expect(open()).rejects.toMatchObject(refusal)
    await expect(open()).rejects.toThrow('by this process')
    // Whoever does not ask may read it all the same.
    await (await FileStorage.open(path, { readOnly: true })).close()
    await first.close()
    await first.close()
    expect(await readdir(folder)).toEqual(['disk'])
    await (await open()).close()
  })

  it('is free again when it could not be opened', async () => {
    await writeFile(path, new Uint8Array(5000))
    await expect(open()).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
    expect(await readdir(folder)).toEqual(['disk'])
  })

  it('is taken from a process that died, by one of those who want it', async () => {
    await leaveLock()
    const ends = await Promise.allSettled(Array.from({ length: 6 }, open))
    const winners = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []))
    expect(winners).toHaveLength(1)
    for (const end of ends) if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'LOCKED' })
    expect(JSON.parse(await readFile(`${path}.lock`, 'utf8'))).toMatchObject({ pid: process.pid })
    await winners[0]!.close()
    expect(await readdir(folder)).toEqual(['disk'])
  })

  it.runIf(process.platform === 'linux')('is taken from a dead process whose number another one has got', async () => {
    await leaveLock({ pid: process.pid, start: 'another boot 17' })
    await (await open()).close()
  })

  it.each([
    ['of another machine', { host: 'elsewhere' }, /process \d+ on elsewhere/],
    ['that cannot be read', { pid: 'x' }, /by somebody/],
    ['of a process that lives', { pid: process.ppid }, /by process \d+ on/],
  ])('is left alone with a lock %s', async (_, changes, message) => {
    await leaveLock(changes)
    await expect(open()).rejects.toThrow(message)
    await expect(open()).rejects.toMatchObject({ code: 'LOCKED' })
  })
})
