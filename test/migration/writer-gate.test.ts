import { describe, expect, it } from 'vitest'
import { WriterGate } from '../../src/migration/writer-gate.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { settled } from '../support/virtual-clock.ts'

const tracked = () => createDirtyTracker(new MemoryStorage(4096), 512)

describe('the gate of the writer', () => {
  it('is open again when it is aborted once the lock was granted, before its caller goes on', async () => {
    const { local, remote } = tracked()
    const abort = new AbortController()
    const gate = new WriterGate(remote, { signal: abort.signal })
    const locked = gate.lock()
    locked.catch(() => {})
    while (local.state !== 'locked') await Promise.resolve()
    abort.abort()
    await expect(locked).rejects.toMatchObject({ code: 'ABORTED' })
    expect([gate.isLocked, local.state]).toEqual([false, 'open'])
  })

  it('is opened by its own handler when the one that closes it fails', async () => {
    const { remote } = tracked()
    let opened = 0
    const gate = new WriterGate(remote, {
      lockerHandler: () => Promise.reject(new Error('no')),
      unlockerHandler: () => {
        opened++
      },
    })
    await expect(gate.lock()).rejects.toThrow('no')
    await settled()
    expect([gate.isLocked, opened]).toEqual([false, 1])
  })
})
