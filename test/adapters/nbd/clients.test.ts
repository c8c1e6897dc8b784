import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type NbdAddress, NbdServer } from '../../../src/adapters/nbd/server.node.ts'
import { systemClock } from '../../../src/async/clock.ts'
import { seededRandom } from '../../../src/async/random.ts'
import { FileStorage } from '../../../src/sources/file.node.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { FlakyStorage } from '../../support/flaky-storage.ts'
import { ensureNbdClients } from '../../support/nbd-clients.mjs'
import { nbdUri, runClient } from '../../support/nbd-clients.ts'
import { SlowStorage } from '../../support/slow-storage.ts'

const KiB = 1024
const MiB = 1024 * KiB

let folder: string
let paths = 0
const newPath = (name: string) => join(folder, `${paths++}-${name}`)
const servers: NbdServer[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blockferry-nbd-'))
  // The tools of file systems are not on everybody's path.
  process.env.PATH += `${delimiter}/sbin${delimiter}/usr/sbin`
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
afterAll(() => rm(folder, { recursive: true }))

/** Serves a storage as the default export; resolves with how clients reach it. */
async function serve(provider: StorageProvider, address?: NbdAddress): Promise<{ uri: string; server: NbdServer }> {
  const server = new NbdServer({ exports: { '': { provider, description: 'under test' } } })
  servers.push(server)
  server.on('error', ({ error }) => errors.push(error))
  errors.length = 0
  return { server, uri: nbdUri(await server.listen(address ?? { unix: newPath('socket') })) }
}
const errors: unknown[] = []

/** Bytes that differ everywhere, with a stretch of zeroes in the middle. */
function noise(size: number): Uint8Array {
  const words = new Uint32Array(size / 4)
  let state = 1
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[index] = state
  }
  words.fill(0, words.length >> 1, (words.length >> 1) + (words.length >> 3))
  return new Uint8Array(words.buffer)
}

async function noiseFile(size: number): Promise<string> {
  const path = newPath('noise')
  await writeFile(path, noise(size))
  return path
}

async function contentOf(disk: StorageProvider): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.size)
  await disk.readAt(bytes, 0)
  return bytes
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const qemuIo = (uri: string, ...commands: string[]) =>
  runClient('qemu-io', ['-f', 'raw', ...commands.flatMap((command) => ['-c', command]), uri])

describe.skipIf(!ensureNbdClients())('real clients:', { timeout: 60_000 }, () => {
  const addresses: [string, () => NbdAddress][] = [
    ['a unix socket', () => ({ unix: newPath('socket') })],
    ['TCP', () => ({ host: '127.0.0.1', port: 0 })],
  ]

  describe.each(addresses)('over %s', (_, address) => {
    it('nbdinfo shows all that the server offers', async () => {
      const { uri } = await serve(new MemoryStorage(10 * MiB), address())
      const info = JSON.parse(await runClient('nbdinfo', ['--json', uri]))
      expect(info).toMatchObject({ protocol: 'newstyle-fixed', TLS: false, structured: true })
      expect(info.exports).toEqual([
        expect.objectContaining({
          'export-size': 10 * MiB,
          description: 'under test',
          contexts: ['base:allocation'],
          is_read_only: false,
          can_df: true,
          can_fast_zero: true,
          can_flush: true,
          can_fua: true,
          can_multi_conn: true,
          can_trim: true,
          can_zero: true,
          block_size_minimum: 1,
          block_size_preferred: 4096,
          block_size_maximum: 32 * MiB,
        }),
      ])
    })

    it('nbdcopy in and out gives the same bytes', async () => {
      const disk = new MemoryStorage(40 * MiB)
      const { uri } = await serve(disk, address())
      const source = await noiseFile(disk.size)
      const target = newPath('copy')
      await runClient('nbdcopy', [source, uri])
      await runClient('nbdcopy', [uri, target])
      execFileSync('cmp', [source, target])
      expect(digest(await contentOf(disk))).toBe(digest(readFileSync(source)))
      expect(errors).toEqual([])
    })

    it('qemu-img converts in and out and finds both ends equal', async () => {
      const disk = await FileStorage.open(newPath('disk'), { create: 24 * MiB })
      const { uri } = await serve(disk, address())
      const source = await noiseFile(disk.size)
      const target = newPath('copy')
      await runClient('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', source, uri])
      expect(await runClient('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', source, uri])).toContain('identical')
      await runClient('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', uri, target])
      execFileSync('cmp', [source, target])
      await servers.pop()!.close()
      await disk.close()
    })
  })

  it('nbdinfo lists exports by name, and shows one that is read-only', async () => {
    const provider = new MemoryStorage(MiB)
    const server = new NbdServer({
      exports: { first: { provider }, 'zwei/ü': { provider, readOnly: true, description: 'the other' } },
    })
    servers.push(server)
    const address = await server.listen({ unix: newPath('socket') })
    const { exports } = JSON.parse(await runClient('nbdinfo', ['--list', '--json', nbdUri(address)]))
    expect(exports.map((it: Record<string, unknown>) => [it['export-name'], it.is_read_only, it.description])).toEqual([
      ['first', false, undefined],
      ['zwei/ü', true, 'the other'],
    ])
    const uri = nbdUri(address, 'zwei/ü')
    await expect(runClient('nbdcopy', [await noiseFile(MiB), uri])).rejects.toThrow(/read.only/i)
    await expect(runClient('nbdinfo', [nbdUri(address, 'third')])).rejects.toThrow(/for export: third/)
    await expect(runClient('nbdinfo', [nbdUri(address)])).rejects.toThrow(/No such file/)
  })

  it('nbdinfo --map and qemu-img map see the holes of a sparse disk', async () => {
    const disk = new MemoryStorage(8 * MiB, { sparse: true })
    await disk.writeAt(noise(256 * KiB), MiB)
    const { uri } = await serve(disk)
    const map = JSON.parse(await runClient('nbdinfo', ['--map', '--json', uri]))
    expect(map.map(({ offset, length, type }: Record<string, number>) => [offset, length, type])).toEqual([
      [0, MiB, 3],
      [MiB, 256 * KiB, 0],
      [MiB + 256 * KiB, 8 * MiB - MiB - 256 * KiB, 3],
    ])
    const seen = JSON.parse(await runClient('qemu-img', ['map', '--output=json', '-f', 'raw', uri]))
    expect(seen.map(({ start, length, zero }: Record<string, number>) => [start, length, zero])).toEqual([
      [0, MiB, true],
      [MiB, 256 * KiB, false],
      [MiB + 256 * KiB, 8 * MiB - MiB - 256 * KiB, true],
    ])
  })

  it('nbdinfo --map walks an empty disk of a tebibyte', async () => {
    const { uri } = await serve(new MemoryStorage(2 ** 40, { sparse: true }))
    const totals = await runClient('nbdinfo', ['--map', '--totals', uri])
    expect(totals).toMatch(/1099511627776 +100\.0% +3 +hole,zero/)
  })

  it('nbdcopy copies sparsely between two servers of ours, over several connections', async () => {
    const from = new MemoryStorage(64 * MiB, { sparse: true })
    const to = new MemoryStorage(64 * MiB, { sparse: true })
    await from.writeAt(noise(5 * MiB), 17 * MiB)
    const [source, target] = [await serve(from), await serve(to)]
    await runClient('nbdcopy', ['--connections=4', '--requests=16', '--flush', source.uri, target.uri])
    expect(digest(await contentOf(to))).toBe(digest(await contentOf(from)))
    const stored = (await to.extents!(0, to.size)).reduce((sum, { length }) => sum + length, 0)
    expect(stored).toBeLessThan(8 * MiB)
  })

  it('nbdcopy uses several connections at once', async () => {
    const disk = new MemoryStorage(16 * MiB)
    const { uri, server } = await serve(new SlowStorage(disk, { clock: systemClock, latencyMs: () => 5 }))
    let most = 0
    server.on('chosen', () => {
      most = Math.max(most, server.clients)
    })
    const source = await noiseFile(disk.size)
    await runClient('nbdcopy', ['--connections=4', '--threads=4', '--request-size=65536', source, uri])
    expect(most).toBe(4)
    expect(digest(await contentOf(disk))).toBe(digest(readFileSync(source)))
  })

  it.each([
    ['memory', () => new MemoryStorage(8 * MiB)],
    ['sparse memory', () => new MemoryStorage(8 * MiB, { sparse: true })],
    [
      'a slow storage that tears',
      () => new SlowStorage(new MemoryStorage(8 * MiB), { clock: systemClock, random: seededRandom(1) }),
    ],
  ])('qemu-io writes, zeroes and reads back patterns on %s', async (_, make) => {
    const disk = make()
    const { uri } = await serve(disk)
    await qemuIo(
      uri,
      'write -P 0x11 0 1M',
      'write -f -P 0x22 1M 512',
      'write -P 0x33 1234567 4321',
      'flush',
      'aio_write -P 0x44 2M 256k',
      'aio_write -P 0x55 3M 256k',
      'aio_flush',
      'write -z 64k 64k',
      'write -z -u 256k 64k',
      'write -z -f 512k 64k',
      'read -P 0x11 0 64k',
      'read -P 0 64k 64k',
      'read -P 0x11 128k 128k',
      'read -P 0 256k 64k',
      'read -P 0 512k 64k',
      'read -P 0x22 1M 512',
      'read -P 0x33 1234567 4321',
      'read -P 0x44 2M 256k',
      'read -P 0x55 3M 256k',
      'read -P 0 7M 1M',
    ).then((output) => expect(output).not.toMatch(/fail|mismatch/i))
    expect(errors).toEqual([])
  })

  it('qemu-io discards', async () => {
    const disk = new MemoryStorage(4 * MiB, { sparse: true })
    await disk.writeAt(new Uint8Array(2 * MiB).fill(1), 0)
    const { uri } = await serve(disk)
    await runClient('qemu-io', ['-f', 'raw', '-d', 'unmap', '-c', 'discard 0 1M', '-c', 'read -P 0 0 1M', uri])
    expect(await disk.extents!(0, disk.size)).toEqual([{ offset: MiB, length: MiB }])
  })

  it('qemu-io with FUA and flush makes the storage flush', async () => {
    const disk = new FlakyStorage(new MemoryStorage(MiB))
    const { uri } = await serve(disk)
    await runClient('qemu-io', ['-f', 'raw', '-t', 'writeback', '-c', 'write -f 0 4k', uri])
    expect(disk.calls.flush).toBeGreaterThan(0)
    const before = disk.calls.flush
    await qemuIo(uri, 'write 0 4k', 'flush')
    expect(disk.calls.flush).toBeGreaterThan(before)
  })

  it('qemu-io is told of failures, and of an export that turned read-only', async () => {
    let failing = false
    const disk = new FlakyStorage(new MemoryStorage(MiB), () => (failing ? {} : undefined))
    const { uri, server } = await serve(disk)
    await qemuIo(uri, 'write 0 4k')
    failing = true
    await expect(qemuIo(uri, 'read 0 4k')).rejects.toThrow(/Input\/output error/)
    failing = false
    await server.setReadOnly('', true)
    await expect(qemuIo(uri, 'write 0 4k')).rejects.toThrow(/read.only|permitted|Permission/i)
    await runClient('qemu-io', ['-r', '-f', 'raw', '-c', 'read 0 4k', uri])
  })

  it('what is behind an export is exchanged while a client reads and writes it', async () => {
    const [before, after] = [new MemoryStorage(8 * MiB), new MemoryStorage(8 * MiB)]
    const { uri, server } = await serve(new SlowStorage(before, { clock: systemClock, latencyMs: () => 2 }))
    const commands = Array.from({ length: 60 }, (_, index) => `write -P ${index + 1} ${index * 64}k 64k`)
    const writing = qemuIo(uri, ...commands)
    while ((await contentOf(before))[640 * KiB] === 0) await systemClock.sleep(2)
    await server.replaceProvider('', after)
    await writing
    const [old, current] = [await contentOf(before), await contentOf(after)]
    for (let index = 0; index < 60; index++) {
      const at = index * 64 * KiB
      const [first, second] = [old.subarray(at, at + 64 * KiB), current.subarray(at, at + 64 * KiB)]
      // Each write is whole, and on exactly one of the two.
      expect([first.every((byte) => byte === index + 1), second.every((byte) => byte === index + 1)]).toContain(true)
      expect(first[0]! + second[0]!).toBe(index + 1)
    }
    expect(current[59 * 64 * KiB]).toBe(60)
  })

  it('an ext4 image that went through the server passes e2fsck', async () => {
    const image = newPath('ext4')
    await writeFile(image, '')
    await truncate(image, 32 * MiB)
    execFileSync('mkfs.ext4', ['-q', '-F', '-E', 'root_owner=0:0', image])
    const disk = await FileStorage.open(newPath('disk'), { create: 32 * MiB })
    const { uri } = await serve(disk)
    await runClient('nbdcopy', ['--flush', image, uri])
    const copy = newPath('ext4-copy')
    await runClient('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', uri, copy])
    execFileSync('e2fsck', ['-fn', copy], { stdio: 'ignore' })
    execFileSync('e2fsck', ['-fn', disk.path], { stdio: 'ignore' })
    await servers.pop()!.close()
    await disk.close()
  })

  it('a killed client leaves the server and the others as they are', async () => {
    const disk = new MemoryStorage(64 * MiB)
    const { uri, server } = await serve(new SlowStorage(disk, { clock: systemClock, latencyMs: () => 5 }))
    const source = await noiseFile(disk.size)
    const slowly = ['-S', '0', '--request-size=65536', '--requests=1', source, uri]
    await expect(runClient('timeout', ['-s', 'KILL', '0.2', 'nbdcopy', ...slowly])).rejects.toThrow()
    await runClient('nbdcopy', [source, uri])
    expect(digest(await contentOf(disk))).toBe(digest(readFileSync(source)))
    await server.close()
    expect(server.clients).toBe(0)
  })
})
