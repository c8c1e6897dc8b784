import { execFileSync } from 'node:child_process'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ERRNO } from '../../src/adapters/nbd/codes.ts'
import { ensureBuilt } from '../support/built-library.ts'
import { type ExtImage, makeExtImage, noise } from '../support/disk-images.ts'
import { bytesHere, MovingCommands } from '../support/moving-commands.ts'
import { ensureNbdClients } from '../support/nbd-clients.mjs'
import { runClient } from '../support/nbd-clients.ts'
import { COMMAND, NbdWire } from '../support/nbd-wire.ts'
import { startPatternWriter } from '../support/pattern-writer.ts'

const MiB = 2 ** 20
const hasClients = ensureNbdClients()
let folder: string
let image: ExtImage
let files = 0
const newPath = () => join(folder, `disk-${files++}`)

beforeAll(async () => {
  await ensureBuilt()
  folder = await mkdtemp(join(tmpdir(), 'blockferry-move-'))
  // The tools of file systems are not on everybody's path.
  process.env.PATH += `${delimiter}/sbin${delimiter}/usr/sbin`
  image = await makeExtImage(folder, 'image')
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

const commands = new MovingCommands()
afterEach(() => commands.end())

/** An address for NBD clients that is free. */
const doorOf = (kind: 'unix' | 'tcp') => (kind === 'unix' ? `unix:${newPath()}` : 'tcp:127.0.0.1:0')

const expectSame = (first: string, second: string) => execFileSync('cmp', [first, second])

describe.skipIf(!hasClients)('serve and pull, with clients that other people wrote', () => {
  it.each([
    ['tcp', 'unix'],
    ['ws', 'tcp'],
  ] as const)(
    'move a file system over %s while qemu-io writes to it over NBD on %s: both ends are equal',
    async (scheme, door) => {
      const [source, destination] = [newPath(), newPath()]
      await copyFile(image.path, source)
      const { serve, url } = await commands.serve(source, ['--nbd', doorOf(door)], `${scheme}://127.0.0.1:0`)
      const writer = startPatternWriter(String((await serve.event('nbd')).uri), image.file)
      const { url: slow } = await commands.slowed(url, 30 * MiB)
      const pull = commands.start(['pull', slow, destination])
      await pull.until(() => bytesHere(pull) > 4 * MiB)
      const before = writer.written
      expect(await serve.ended).toBe(0)
      expect(await pull.ended).toBe(0)
      // It wrote the whole time; at the end it was refused, and not just hung up on.
      expect(before).toBeGreaterThan(0)
      expect(writer.written).toBeGreaterThan(before)
      expect(await writer.ended).toMatch(/write failed: Operation not permitted/)
      const [given, taken] = [serve.last!, pull.last!]
      expect(given).toMatchObject({ event: 'result', command: 'serve', size: 32 * MiB, verified: true })
      expect(given.blocksDirtied).toBeGreaterThan(0)
      expect(taken).toMatchObject({ event: 'result', command: 'pull', size: 32 * MiB, root: given.root })
      await runClient('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', source, destination])
      execFileSync('e2fsck', ['-fn', destination], { stdio: 'pipe' })
      expect(() => expectSame(image.path, destination)).toThrow()
    },
    60_000,
  )

  it.each(['unix', 'tcp'] as const)(
    'answer a read at the destination, over NBD on %s, before all is there; writes wait for the hand-over and stay',
    async (door) => {
      const [source, destination] = [newPath(), newPath()]
      await writeFile(source, new Uint8Array(24 * MiB).fill(0x5a, 23 * MiB).fill(0xa5, 0, 23 * MiB))
      const { serve, url } = await commands.serve(source)
      const { url: slow, link } = await commands.slowed(url, 2 * MiB)
      const pull = commands.start(['pull', slow, destination, '--nbd', doorOf(door)])
      const uri = String((await pull.event('nbd')).uri)
      await runClient('qemu-io', ['-r', '-f', 'raw', '-c', `read -P 0x5a ${24 * MiB - 4096} 4096`, uri])
      expect(bytesHere(pull)).toBeLessThan(20 * MiB)
      let isWritten = false
      const writing = runClient('qemu-io', ['-f', 'raw', '-c', 'write -P 0x77 8192 4096', '-c', 'flush', uri]).then(
        () => {
          isWritten = true
        },
      )
      await runClient('qemu-io', ['-r', '-f', 'raw', '-c', 'read -P 0xa5 8192 4096', uri])
      expect(isWritten).toBe(false)
      link.openUp()
      expect(await serve.ended).toBe(0)
      await writing
      await runClient('qemu-io', ['-f', 'raw', '-c', 'read -P 0x77 8192 4096', '-c', 'write -P 0x78 0 512', uri])
      pull.kill('SIGINT')
      expect(await pull.ended).toBe(0)
      const expected = new Uint8Array(24 * MiB).fill(0x5a, 23 * MiB).fill(0xa5, 0, 23 * MiB)
      await writeFile(source, expected.fill(0x77, 8192, 12288).fill(0x78, 0, 512))
      expectSame(source, destination)
    },
    60_000,
  )

  it('let nbdcopy copy the whole disk at the destination while it is still coming', async () => {
    const [source, copied, here] = [newPath(), newPath(), newPath()]
    await writeFile(source, noise(6 * MiB, 3))
    const { serve, url } = await commands.serve(source, ['--name', 'a disk/with a name'])
    const { url: slow } = await commands.slowed(url, 4 * MiB)
    const pull = commands.start(['pull', slow, 'memory:', '--nbd', `unix:${here}`])
    const uri = String((await pull.event('nbd')).uri)
    expect(await runClient('nbdinfo', ['--size', uri])).toBe(`${6 * MiB}\n`)
    expect(bytesHere(pull)).toBeLessThan(6 * MiB)
    await runClient('nbdcopy', [uri, copied])
    expectSame(source, copied)
    expect(await serve.ended).toBe(0)
    await pull.event('result')
    pull.kill('SIGTERM')
    expect(await pull.ended).toBe(0)
  }, 60_000)

  it('leave the source to its clients when the puller is killed; a second one is refused, a later one succeeds', async () => {
    const [source, destination, socket] = [newPath(), newPath(), newPath()]
    await copyFile(image.path, source)
    const { serve, url } = await commands.serve(source, ['--nbd', `unix:${socket}`])
    const uri = String((await serve.event('nbd')).uri)
    const { url: slow } = await commands.slowed(url, 2 * MiB)
    const killed = commands.start(['pull', slow, newPath()])
    await killed.until(() => bytesHere(killed) > 0)
    const second = commands.start(['pull', url, newPath()])
    expect(await second.ended).toBe(1)
    expect(second.stderr).toMatch(/^blockferry: .*pulling this disk.* \[BUSY\]\n$/)
    killed.kill('SIGKILL')
    expect(await serve.event('pull-failed')).toMatchObject({ code: 'PEER_LOST' })
    await runClient('qemu-io', ['-f', 'raw', '-c', `write -P 0x33 ${image.file.offset} 65536`, uri])
    const later = commands.start(['pull', url, destination])
    expect(await later.ended).toBe(0)
    expect(await serve.ended).toBe(0)
    expectSame(source, destination)
  }, 60_000)
})

describe('serve and pull', () => {
  it('answer the writes of a client that the hand-over met with EPERM, and only then hang up in order', async () => {
    const [source, destination, socket] = [newPath(), newPath(), newPath()]
    await writeFile(source, noise(4 * MiB, 7))
    const { serve, url } = await commands.serve(source, ['--nbd', `unix:${socket}`, '--strategy', 'pre-copy'])
    const wire = await NbdWire.open(socket)
    // It dirties all that has gone over, so that the pause lasts a while on this link and its writes wait in it.
    let blocks = 0
    const write = () => wire.ask(COMMAND.write, (blocks++ % 64) * 65536, 512, new Uint8Array(512).fill(blocks))
    const errors = new Set<number>()
    const writers = Array.from({ length: 4 }, async () => {
      while (!errors.has(ERRNO.EPERM)) errors.add(await write())
    })
    const { url: slow } = await commands.slowed(url, 8 * MiB)
    const pull = commands.start(['pull', slow, destination])
    await Promise.all(writers)
    expect([...errors]).toEqual([0, ERRNO.EPERM])
    expect(await wire.over).toBe('end')
    expect([await serve.ended, await pull.ended]).toEqual([0, 0])
    expectSame(source, destination)
  }, 60_000)

  it('agree on a secret of a file or of the environment, and the source outlives those who do not know it', async () => {
    const [source, destination, right, wrong] = [newPath(), newPath(), newPath(), newPath()]
    await writeFile(source, noise(3 * MiB + 5, 1))
    await writeFile(right, 'sixteen bytes and more\n')
    await writeFile(wrong, 'sixteen bytes but others\n')
    const { serve, url } = await commands.serve(source, ['--secret-file', right])
    for (const args of [['--secret-file', wrong], []]) {
      const refused = commands.start(['pull', url, newPath(), ...args])
      expect(await refused.ended).toBe(1)
      expect(refused.stderr).toMatch(/^blockferry: .*secret.* \[UNAUTHORIZED\]\n$/)
    }
    await serve.until(() => serve.events.filter(({ event }) => event === 'refused').length === 2)
    for (const { code } of serve.events.filter(({ event }) => event === 'refused')) expect(code).toBe('UNAUTHORIZED')
    const pull = commands.start(['pull', url, destination], { BLOCKFERRY_SECRET: 'sixteen bytes and more' })
    expect(await pull.ended).toBe(0)
    expect(await serve.ended).toBe(0)
    expectSame(source, destination)
  }, 60_000)

  it.each(['64KiB', '1MiB'])('move a disk in dialect silo, which has no root hash, in blocks of %s', async (size) => {
    const [source, destination] = [newPath(), newPath()]
    // Zeroes over more than one of the larger blocks are told and not sent.
    await writeFile(source, Buffer.concat([noise(MiB, 2), new Uint8Array(3 * MiB), noise(MiB + 512, 3)]))
    const { serve, url } = await commands.serve(source, ['--dialect', 'silo', '--block-size', size])
    const pull = commands.start(['pull', url, destination, '--dialect', 'silo'])
    expect(await pull.ended).toBe(0)
    expect(await serve.ended).toBe(0)
    expect(pull.last).toMatchObject({ event: 'result', verified: false, root: null })
    expectSame(source, destination)
  })
})
