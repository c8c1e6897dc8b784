import { Factory } from '@journeyapps/wa-sqlite'
import * as Comlink from 'comlink'
import { SqliteDisk } from '../../../src/adapters/sqlite/sqlite-disk.ts'
import type { BytesInSqlite, SqliteBuild } from '../../../src/adapters/sqlite/sqlite-module.ts'
import { SqliteVfs } from '../../../src/adapters/sqlite/sqlite-vfs.ts'
import { IndexedDbStorage } from '../../../src/sources/indexeddb.ts'
import { OpfsStorage } from '../../../src/sources/opfs.ts'
import { BUILDS } from '../../support/sqlite-in-browser.ts'

/** Which storage the file system is over, and which build it runs in. */
export interface UpstreamConfig {
  readonly storage: 'opfs' | 'indexeddb'
  readonly build: SqliteBuild
}

/** Asks for one more instance of SQLite over the disk of this worker; the first one says whether that is to be empty. */
export interface InstanceRequest extends UpstreamConfig {
  readonly reset: boolean
}

let disk: Promise<SqliteDisk> | undefined

/** A file system as the tests of wa-sqlite want to have it: behind Comlink, and the file that they open on a disk of ours. */
addEventListener('message', async ({ data: { storage, build, reset } }: MessageEvent<InstanceRequest>) => {
  try {
    disk ??= openDisk(storage, reset)
    const module = await (await BUILDS[build]()).default()
    const sqlite3 = Factory(module)
    const vfs = new SqliteVfs(module)
    // Those of file systems open the one, those with statements the other.
    for (const name of ['test', 'demo']) vfs.add(name, await disk)
    sqlite3.vfs_register(vfs as never, true)
    const { port1, port2 } = new MessageChannel()
    Comlink.expose({ module, sqlite3, vfs: behindProxies(vfs) }, port1)
    postMessage({}, { transfer: [port2] })
  } catch (error) {
    postMessage({ error: error instanceof Error ? String(error.stack) : String(error) })
  }
})

async function openDisk(storage: UpstreamConfig['storage'], reset: boolean): Promise<SqliteDisk> {
  const Storage = storage === 'opfs' ? OpfsStorage : IndexedDbStorage
  if (reset) await Storage.delete('upstream')
  return SqliteDisk.open(await Storage.open('upstream', { size: 4 * 2 ** 20 }))
}

/** Buffers for reading come as proxies, which a file system cannot fill: it fills one here, which is copied. */
function behindProxies(vfs: SqliteVfs): SqliteVfs {
  return new Proxy(vfs, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        if (name !== 'jRead') return value.apply(target, args)
        const remote = args[1] as { length: Promise<number>; set(bytes: Uint8Array): Promise<void> }
        const local = new Uint8Array(await remote.length)
        const code = await target.jRead(args[0] as number, local as BytesInSqlite, args[2] as number)
        await remote.set(local)
        return code
      }
    },
  })
}
