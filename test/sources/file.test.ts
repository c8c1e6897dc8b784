import { link, mkdtemp, open, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { probeSize } from '../../src/sources/block-device.node.ts'
import { SOURCE_CAPABILITIES } from '../../src/sources/capabilities.ts'
import { FileStorage } from '../../src/sources/file.node.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { storageProviderConformance } from '../conformance/storage-provider.ts'

let folder: string
let files = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blockferry-file-'))
})
afterAll(() => rm(folder, { recursive: true }))
const newPath = () => join(folder, `disk-${files++}`)

describe('FileStorage keeps the storage contract:', () => {
  const cases = storageProviderConformance({
    capabilities: SOURCE_CAPABILITIES.file,
    create: (size) => FileStorage.open(newPath(), { create: size }),
    reopen: (provider: StorageProvider) => FileStorage.open((provider as FileStorage).path),
  })
  for (const { name, run } of cases) it(name, run)
})

describe('FileStorage', () => {
  it('makes a sparse file of the asked size', async () => {
    const path = newPath()
    const disk = await FileStorage.open(path, { create: 2 ** 30 })
    await disk.close()
    const { size, blocks } = await stat(path)
    expect(size).toBe(2 ** 30)
    expect(blocks * 512).toBeLessThan(65_536)
  })

  it('leaves holes where zeroes are asked for and nothing was written', async () => {
    const path = newPath()
    const disk = await FileStorage.open(path, { create: 2 ** 26 })
    expect(await disk.zeroAt(0, 2 ** 25)).toBe(2 ** 25)
    await disk.writeAt(new Uint8Array(4096).fill(1), 2 ** 25)
    expect(await disk.zeroAt(2 ** 25 + 4096, 2 ** 26)).toBe(2 ** 25 - 4096)
    await disk.flush()
    await disk.close()
    expect((await stat(path)).blocks * 512).toBeLessThan(65_536)
  })

  it('zeroes what an existing file holds', async () => {
    const path = newPath()
    await writeFile(path, new Uint8Array(1_000_000).fill(7))
    const disk = await FileStorage.open(path)
    await disk.zeroAt(10, 999_980)
    const content = new Uint8Array(1_000_000)
    await disk.readAt(content, 0)
    await disk.close()
    expect(content.indexOf(7, 10)).toBe(999_990)
    expect(content.subarray(0, 10)).toEqual(new Uint8Array(10).fill(7))
  })

  it('keeps the content of a file of the asked size and grows a shorter one by zeroes', async () => {
    const path = newPath()
    await writeFile(path, new Uint8Array(1000).fill(7))
    const disk = await FileStorage.open(path, { create: 2000 })
    const content = new Uint8Array(2000)
    expect(await disk.readAt(content, 0)).toBe(2000)
    await disk.close()
    expect(content.lastIndexOf(7)).toBe(999)
  })

  it('refuses a longer file, and discards its content when told to', async () => {
    const path = newPath()
    await writeFile(path, new Uint8Array(1001).fill(7))
    await expect(FileStorage.open(path, { create: 1000 })).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
    expect((await stat(path)).size).toBe(1001)
    const disk = await FileStorage.open(path, { create: 1000, truncate: true })
    const content = new Uint8Array(1000).fill(1)
    await disk.readAt(content, 0)
    await disk.close()
    expect(content).toEqual(new Uint8Array(1000))
  })

  it('refuses what is missing, empty, a directory or not a size', async () => {
    const empty = newPath()
    await writeFile(empty, '')
    await expect(FileStorage.open(newPath())).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(FileStorage.open(join(newPath(), 'below'), { create: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(FileStorage.open(empty)).rejects.toMatchObject({ code: 'OPEN_FAILED' })
    await expect(FileStorage.open(folder, { readOnly: true })).rejects.toMatchObject({ code: 'OPEN_FAILED' })
    await expect(FileStorage.open(newPath(), { create: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(FileStorage.open(newPath(), { create: 1.5 })).rejects.toBeInstanceOf(RangeError)
  })

  it('refuses writes when opened for reading, and never makes a file then', async () => {
    const path = newPath()
    await expect(FileStorage.open(path, { create: 5, readOnly: true })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await writeFile(path, 'hello')
    const disk = await FileStorage.open(path, { readOnly: true })
    await expect(disk.writeAt(new Uint8Array(1), 0)).rejects.toMatchObject({ code: 'WRITE_FAILED' })
    await expect(disk.zeroAt(0, 1)).rejects.toMatchObject({ code: 'WRITE_FAILED' })
    await disk.flush()
    await disk.close()
  })

  it('tells when somebody else cut the file short instead of making up zeroes', async () => {
    const path = newPath()
    await writeFile(path, new Uint8Array(1000).fill(7))
    const disk = await FileStorage.open(path)
    await truncate(path, 500)
    expect(await disk.readAt(new Uint8Array(500), 0)).toBe(500)
    await expect(disk.readAt(new Uint8Array(500), 400)).rejects.toMatchObject({ code: 'SHORT_READ' })
    await disk.close()
  })

  it('says QUOTA_EXCEEDED when the disk is full', async () => {
    // Refuses every write with ENOSPC; a device of characters, so opened through the handle's own path on Linux only.
    const full = await stat('/dev/full').catch(() => undefined)
    if (!full) return
    const path = newPath()
    await writeFile(path, 'x'.repeat(10))
    const disk = await FileStorage.open(path)
    const device = await open('/dev/full', 'r+')
    const prototype = Object.getPrototypeOf(device) as { write: unknown }
    const write = prototype.write
    prototype.write = (data: Uint8Array) => (write as (data: Uint8Array) => Promise<unknown>).call(device, data)
    try {
      await expect(disk.writeAt(new Uint8Array(10), 0)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    } finally {
      prototype.write = write
      await device.close()
      await disk.close()
    }
  })

  it('goes on after short reads and short writes', async () => {
    const path = newPath()
    const disk = await FileStorage.open(path, { create: 100 })
    const probe = await open(path)
    type Call = (data: Uint8Array, start: number, length: number, position: number) => Promise<unknown>
    const prototype = Object.getPrototypeOf(probe) as { read: Call; write: Call }
    const { read, write } = prototype
    prototype.read = function (data, start, length, position) {
      return read.call(this, data, start, Math.min(length, 7), position)
    }
    prototype.write = function (data, start, length, position) {
      return write.call(this, data, start, Math.min(length, 7), position)
    }
    try {
      const data = Uint8Array.from({ length: 100 }, (_, index) => index + 1)
      expect(await disk.writeAt(data, 0)).toBe(100)
      const content = new Uint8Array(100)
      expect(await disk.readAt(content, 0)).toBe(100)
      expect(content).toEqual(data)
      prototype.write = async () => ({ bytesWritten: 0 })
      await expect(disk.writeAt(data, 0)).rejects.toMatchObject({ code: 'SHORT_WRITE' })
    } finally {
      Object.assign(prototype, { read, write })
      await probe.close()
      await disk.close()
    }
  })

  it('works through symbolic and hard links', async () => {
    const path = newPath()
    await writeFile(path, 'x'.repeat(100))
    await symlink(path, `${path}.symbolic`)
    await link(path, `${path}.hard`)
    const disk = await FileStorage.open(`${path}.symbolic`)
    await disk.writeAt(new Uint8Array(10).fill(1), 5)
    await disk.close()
    const other = await FileStorage.open(`${path}.hard`, { readOnly: true })
    const content = new Uint8Array(10)
    await other.readAt(content, 5)
    await other.close()
    expect(content).toEqual(new Uint8Array(10).fill(1))
  })

  it('says OPEN_FAILED, with the cause, when the system refuses the path', async () => {
    const path = newPath()
    await writeFile(path, 'x')
    await expect(FileStorage.open(join(path, 'below'))).rejects.toMatchObject({
      code: 'OPEN_FAILED',
      cause: { code: 'ENOTDIR' },
    })
  })
})

describe('probeSize', () => {
  it.each([1, 4095, 4096, 4097, 8192, 1_000_003])('finds the end after %i bytes by reading', async (size) => {
    const path = newPath()
    await writeFile(path, new Uint8Array(size))
    const handle = await open(path)
    try {
      expect(await probeSize(handle)).toBe(size)
    } finally {
      await handle.close()
    }
  })
})
