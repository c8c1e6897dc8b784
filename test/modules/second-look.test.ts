import { expect, it } from 'vitest'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { settled } from '../support/virtual-clock.ts'

const BLOCK = 512

it('a read of two blocks waits again for the one that is void by the time the other is here', async () => {
  const { local, remote } = createWaitingCache(new MemoryStorage(4 * BLOCK), BLOCK)
  const block = (value: number) => new Uint8Array(BLOCK).fill(value)
  const target = new Uint8Array(2 * BLOCK)
  let isRead = false
  const reading = Promise.resolve(local.readAt(target, 0)).then(() => {
    isRead = true
  })
  await remote.writeAt(block(1), 0)
  remote.invalidate(Uint32Array.of(0))
  await remote.writeAt(block(2), BLOCK)
  await settled()
  expect(isRead).toBe(false)
  await remote.writeAt(block(3), 0)
  await reading
  expect([target[0], target[BLOCK]]).toEqual([3, 2])
})
