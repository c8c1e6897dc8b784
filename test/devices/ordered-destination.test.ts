import { expect, test } from 'vitest'
import { Bitfield } from '../../src/bitfield/bitfield.ts'
import { OrderedDestination } from '../../src/devices/ordered-destination.ts'
import type { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { settled } from '../support/virtual-clock.ts'

/** Over so many lanes: what has been sent when a list is on its way, and when it has been answered. */
async function sent(lanes: number): Promise<readonly string[][]> {
  const log: string[] = []
  let answer = () => {}
  const to = {
    size: 4096,
    dirtyList: () => {
      log.push('list')
      return new Promise<void>((resolve) => {
        answer = resolve
      })
    },
    writeAt: async (data: Uint8Array) => log.push('write') && data.length,
    zeroAt: async (_: number, length: number) => log.push('zero') && length,
    patch: async () => void log.push('patch'),
  } as unknown as ToProtocol
  const destination = new OrderedDestination(to, lanes)
  const told = destination.dirtyList(new Bitfield(1))
  const data = new Uint8Array(512)
  const patch = { offset: 0, digests: data, maps: data, data }
  const calls = [destination.writeAt(data, 0), destination.zeroAt(512, 512), destination.patch(patch, 512, {})]
  await settled()
  const before = [...log]
  answer()
  await Promise.all([told, ...calls])
  return [before, log]
}

test('over two lanes nothing overtakes the list that voids its older copy', async () => {
  expect(await sent(2)).toEqual([['list'], ['list', 'write', 'zero', 'patch']])
})

test('over one lane nothing has to wait for the list before it', async () => {
  expect((await sent(1))[0]).toEqual(['list', 'write', 'zero', 'patch'])
})
