import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ensureBuilt } from '../support/built-library.ts'
import { noise } from '../support/disk-images.ts'
import { bytesHere, MovingCommands } from '../support/moving-commands.ts'
import { runCommand } from '../support/run-command.ts'

const MiB = 2 ** 20
let folder: string
let files = 0
const newPath = () => join(folder, `disk-${files++}`)

beforeAll(async () => {
  await ensureBuilt()
  folder = await mkdtemp(join(tmpdir(), 'blockferry-journals-'))
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

const commands = new MovingCommands()
afterEach(() => commands.end())

async function disk(size: number): Promise<string> {
  const path = newPath()
  await writeFile(path, noise(size, files))
  return path
}

const expectSame = async (a: string, b: string) => expect((await readFile(a)).equals(await readFile(b))).toBe(true)
const refused = (code: string, words: RegExp) => ({
  exitCode: 1,
  stderr: expect.stringMatching(new RegExp(`${words.source}.*\\[${code}\\]\\n$`)),
})
const stateOf = async (path: string) => JSON.parse((await runCommand(['own', path, '--json'])).stdout)

/** A serve, and a pull of it that was killed with some of the disk here. */
async function interrupted() {
  const [source, destination] = [await disk(12 * MiB), newPath()]
  const { serve, url } = await commands.serve(source, ['--strategy', 'pre-copy'])
  const slow = await commands.slowed(url, 8 * MiB)
  const pull = commands.start(['pull', slow.url, destination])
  await pull.until(() => bytesHere(pull) > 6 * MiB)
  pull.kill('SIGKILL')
  await pull.ended
  return { source, destination, serve, url, slow }
}

describe('a pull that was killed', () => {
  it('is refused without a word about what is left, goes on with --resume, and sends only the rest', async () => {
    const { source, destination, serve, url, slow } = await interrupted()
    expect(await runCommand(['pull', url, destination])).toMatchObject(refused('NOT_OWNER', /--resume.*--discard/))
    for (const args of [
      ['copy', source, destination, '--force'],
      ['serve', destination, '--listen', 'tcp://127.0.0.1:0', '--nbd', `unix:${newPath()}`],
      ['copy', destination, newPath()],
    ]) {
      expect(await runCommand(args)).toMatchObject(refused('NOT_OWNER', /still on its way here/))
    }
    expect(await stateOf(destination)).toMatchObject({ state: 'receiving', mayWrite: false, epoch: 1, peer: slow.url })
    const before = slow.link.carried
    slow.link.openUp()
    expect(await runCommand(['pull', slow.url, destination, '--resume'])).toMatchObject({ exitCode: 0 })
    expect(await serve.ended).toBe(0)
    expect(slow.link.carried - before).toBeLessThan(12 * MiB - 1)
    await expectSame(source, destination)
  }, 120_000)

  it('is thrown away with --discard', async () => {
    const { source, destination, serve, url } = await interrupted()
    expect(await runCommand(['pull', url, destination, '--discard'])).toMatchObject({ exitCode: 0 })
    expect(await serve.ended).toBe(0)
    await expectSame(source, destination)
  }, 120_000)

  it('goes on by itself when the source is killed and started again within --retry', async () => {
    const [source, destination] = [await disk(12 * MiB), newPath()]
    const first = await commands.serve(source)
    const slow = await commands.slowed(first.url, 8 * MiB)
    const pull = commands.start(['pull', slow.url, destination, '--retry', '30'])
    await pull.until(() => bytesHere(pull) > 2 * MiB)
    first.serve.kill('SIGKILL')
    await first.serve.ended
    await pull.event('retry')
    const second = await commands.serve(source, [], first.url)
    slow.link.openUp()
    expect(await pull.ended).toBe(0)
    expect(await second.serve.ended).toBe(0)
    await expectSame(source, destination)
  }, 120_000)
})

describe('a disk that has moved', () => {
  it('is not served or written where it was, comes back with little, and only what was written there', async () => {
    const [here, there] = [await disk(8 * MiB), newPath()]
    const away = await commands.serve(here)
    expect(await runCommand(['pull', away.url, there])).toMatchObject({ exitCode: 0 })
    expect(await away.serve.ended).toBe(0)
    expect(await stateOf(here)).toMatchObject({ state: 'gone', mayWrite: false })
    expect(await stateOf(there)).toMatchObject({ state: 'owner', epoch: 2, mayWrite: true })
    for (const args of [
      ['serve', here, '--listen', 'tcp://127.0.0.1:0'],
      ['push', here, 'tcp://127.0.0.1:1'],
      ['copy', there, here, '--force'],
    ]) {
      expect(await runCommand(args)).toMatchObject(refused('NOT_OWNER', /moved away/))
    }
    const back = await commands.serve(there)
    const slow = await commands.slowed(back.url, 100 * MiB)
    expect(await runCommand(['pull', slow.url, here])).toMatchObject({ exitCode: 0 })
    expect(await back.serve.ended).toBe(0)
    // Hashes of 128 blocks; one block may be sent for form's sake.
    expect(slow.link.carried).toBeLessThan(100_000)
    expect(await stateOf(here)).toMatchObject({ state: 'owner', epoch: 3 })
    await expectSame(here, there)
  }, 120_000)

  it('is not taken for what it was when somebody else has written to it', async () => {
    const [here, there] = [await disk(4 * MiB), newPath()]
    const away = await commands.serve(here)
    expect(await runCommand(['pull', away.url, there])).toMatchObject({ exitCode: 0 })
    await away.serve.ended
    for (const path of [here, there]) {
      const file = await open(path, 'r+')
      await file.write(Buffer.from(path), 0, 8, 2 * MiB)
      await file.close()
    }
    const expected = await readFile(there)
    const back = await commands.serve(there)
    expect(await runCommand(['pull', back.url, here])).toMatchObject({ exitCode: 0 })
    await back.serve.ended
    expect((await readFile(here)).equals(expected)).toBe(true)
  }, 120_000)

  it('is taken over by force only with --yes, and then both know', async () => {
    const [here, there] = [await disk(MiB), newPath()]
    const away = await commands.serve(here)
    expect(await runCommand(['pull', away.url, there])).toMatchObject({ exitCode: 0 })
    await away.serve.ended
    expect(await runCommand(['own', here, '--take-over'])).toMatchObject({ exitCode: 2 })
    expect(await runCommand(['own', here, '--take-over', '--yes'])).toMatchObject({ exitCode: 0 })
    expect(await stateOf(here)).toMatchObject({ state: 'owner', epoch: 3, forced: true })
    // The one that was forgotten lives after all.
    const { serve, url } = await commands.serve(here)
    expect(await runCommand(['pull', url, there, '--resume', '--retry', '0'])).toMatchObject({ exitCode: 1 })
    expect(await serve.event('pull-failed')).toMatchObject({ code: expect.stringMatching(/IN_DOUBT|NOT_OWNER/) })
  }, 120_000)
})

describe('an older copy', () => {
  it('is kept where it is right with --delta', async () => {
    const [source, copy] = [await disk(8 * MiB + 5), newPath()]
    await writeFile(copy, await readFile(source))
    const file = await open(copy, 'r+')
    await file.write(Buffer.from('old'), 0, 3, 3 * MiB)
    await file.close()
    const { serve, url } = await commands.serve(source)
    const slow = await commands.slowed(url, 100 * MiB)
    expect(await runCommand(['pull', url, copy])).toMatchObject(refused('OPEN_FAILED', /--delta/))
    expect(await runCommand(['pull', slow.url, copy, '--delta'])).toMatchObject({ exitCode: 0 })
    expect(await serve.ended).toBe(0)
    expect(slow.link.carried).toBeLessThan(300_000)
    await expectSame(source, copy)
  }, 120_000)
})
