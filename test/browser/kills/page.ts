import type { Note, Remains, Task } from './task.ts'

declare global {
  interface Window {
    /** From the test: hears what the side tells. */
    hear: (note: Note) => Promise<void>
    /** Starts a side. */
    run: (task: Task) => void
    /** Reads the disk of a side that does not run. */
    look: (task: Task) => Promise<Remains>
    /** Deletes everything of this origin's kill tests. */
    wipe: () => Promise<void>
  }
}

const start = () => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })

window.run = (task) => {
  const worker = start()
  worker.onmessage = ({ data }: MessageEvent<Note>) => void window.hear(data)
  worker.onerror = (event) => void window.hear({ type: 'failed', message: event.message })
  worker.postMessage({ run: task })
}

window.look = (task) =>
  new Promise((resolve, reject) => {
    const worker = start()
    worker.onmessage = ({ data }: MessageEvent<Note | { type: 'remains'; remains: Remains }>) => {
      worker.terminate()
      if (data.type === 'remains') resolve(data.remains)
      else reject(new Error(data.type === 'failed' ? data.message : data.type))
    }
    worker.postMessage({ look: task })
  })

window.wipe = async () => {
  const { OpfsStorage } = await import('../../../src/sources/opfs.ts')
  const { IndexedDbStorage } = await import('../../../src/sources/indexeddb.ts')
  for (const side of ['source', 'destination']) {
    await IndexedDbStorage.delete(`kill ${side}.ferry`, { lockTimeoutMs: 10_000 })
    for (const store of [OpfsStorage, IndexedDbStorage]) {
      await store.delete(`kill ${side}`, { lockTimeoutMs: 10_000 }).catch((error: unknown) => {
        if ((error as { code?: string }).code !== 'NOT_FOUND') throw error
      })
    }
  }
}
