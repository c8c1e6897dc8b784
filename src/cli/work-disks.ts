import { mkdtemp, rm } from 'node:fs/promises'
import { freemem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileStorage } from '../sources/file.node.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { memoryDisk } from './open-disk.ts'

/** Disks that exist for one command. */
export interface WorkDisks {
  /** Where they are, for people. */
  readonly place: string
  /** A disk of zeroes. */
  create(name: string, size: number): Promise<StorageProvider>
  /** Closes and deletes them. */
  remove(): Promise<void>
}

/** Share of the free memory that work disks may take. */
const MEMORY_SHARE = 0.5

/** Places for disks of together `bytes`: in memory while they fit into half of what is free, else in files; in files when a directory is given. */
export async function createWorkDisks(bytes: number, directory: string | undefined): Promise<WorkDisks> {
  const disks: StorageProvider[] = []
  const closeAll = async () => {
    for (const disk of disks) await disk.close()
  }
  if (directory === undefined && bytes <= freemem() * MEMORY_SHARE) {
    return {
      place: 'memory',
      create: async (_name, size) => {
        const disk = memoryDisk(size)
        disks.push(disk)
        return disk
      },
      remove: closeAll,
    }
  }
  const folder = await mkdtemp(join(directory ?? tmpdir(), 'blockferry-'))
  return {
    place: folder,
    create: async (name, size) => {
      const disk = await FileStorage.open(join(folder, name), { create: size })
      disks.push(disk)
      return disk
    },
    remove: async () => {
      try {
        await closeAll()
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  }
}
