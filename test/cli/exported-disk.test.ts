import { describe, expect, it } from 'vitest'
import { ERRNO } from '../../src/adapters/nbd/codes.ts'
import { ExportedDisk } from '../../src/cli/exported-disk.ts'
import { Lockable } from '../../src/modules/lockable.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'

describe('a disk as NBD clients have it', () => {
  it('lets writes through while its gate is open, and holds them while it is closed', async () => {
    const gate = new Lockable(new MemoryStorage(4096))
    const disk = new ExportedDisk(gate)
    expect(await disk.writeAt(new Uint8Array([1]), 0)).toBe(1)
    await gate.lock()
    const held = Promise.all([disk.writeAt(new Uint8Array([2]), 1), disk.zeroAt!(0, 1)])
    const found = new Uint8Array(2)
    await disk.readAt(found, 0)
    expect([...found]).toEqual([1, 0])
    gate.unlock()
    await held
    await disk.readAt(found, 0)
    expect([...found]).toEqual([0, 2])
  })

  it('refuses the writes that wait and all later ones once the disk is gone; reads go on and nothing was written', async () => {
    const gate = new Lockable(new MemoryStorage(4096))
    const disk = new ExportedDisk(gate)
    await gate.lock()
    const held = [disk.writeAt(new Uint8Array([7]), 0), disk.zeroAt!(5, 1)]
    const refused = { errno: ERRNO.EPERM, message: 'moved away' }
    const expectations = held.map((write) => expect(write).rejects.toMatchObject(refused))
    disk.refuseWrites(new Error('moved away'))
    await Promise.all(expectations)
    await expect(disk.writeAt(new Uint8Array([7]), 0)).rejects.toMatchObject(refused)
    await expect(disk.zeroAt!(0, 1)).rejects.toMatchObject(refused)
    const found = new Uint8Array(1)
    expect(await disk.readAt(found, 0)).toBe(1)
    expect(found[0]).toBe(0)
  })
})
