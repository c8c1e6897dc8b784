import { describe, expect, test } from 'vitest'
import { GROUP_MESSAGE_BYTES, GROUP_MESSAGES } from '../../src/devices/limits.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { GroupRig } from './group-rig.ts'

const text = (message: Uint8Array) => new TextDecoder().decode(message)
const bytes = (message: string) => new TextEncoder().encode(message)

describe('applications of a group that moves', () => {
  test('tell each other what they like, in order, before, in and after the hand-over', async () => {
    const rig = new GroupRig()
    await rig.boot()
    const heard: { here: string[]; there: string[] } = { here: [], there: [] }
    const { source } = await rig.move(
      await rig.connect(),
      {
        messageHandler: (message) => void heard.here.push(text(message)),
        handOver: async () => {
          await Promise.all(['suspended', 'devices', 'registers'].map((word) => rig.group.sendMessage(bytes(word))))
        },
      },
      {
        messageHandler: async (message) => {
          // Slower for the first one: those that follow wait.
          if (heard.there.length === 0) await rig.clock.sleep(50)
          heard.there.push(text(message))
          void rig.received!.sendMessage(bytes(`heard ${text(message)}`))
        },
      },
    )
    expect(source.status).toBe('fulfilled')
    await rig.group.sendMessage(bytes('good bye'))
    await rig.received!.sendMessage(bytes('thank you'))
    expect(heard.there).toEqual(['suspended', 'devices', 'registers', 'good bye'])
    expect(heard.here).toEqual([...heard.there.map((word) => `heard ${word}`), 'thank you'])
  })

  test('in dialect silo only the one that sends the disks can speak', async () => {
    const rig = new GroupRig({ dialect: 'silo' })
    await rig.boot()
    const heard: string[] = []
    const { source } = await rig.move(
      await rig.connect(),
      { handOver: () => rig.group.sendMessage(bytes('Hello')) },
      { messageHandler: (message) => void heard.push(text(message)) },
    )
    expect(source.status).toBe('fulfilled')
    expect(heard).toEqual(['Hello'])
    await expect(rig.received!.sendMessage(bytes('no'))).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
  })

  test('hear why the other one did not take it', async () => {
    const rig = new GroupRig()
    await rig.boot()
    const { source } = await rig.move(
      await rig.connect(),
      { handOver: () => rig.group.sendMessage(bytes('are you ready?')) },
      {
        messageHandler: () => {
          throw new StorageError('BUSY', 'Not at all.')
        },
      },
    )
    expect(source).toMatchObject({ status: 'rejected', reason: { code: 'BUSY' } })
    for (const { local } of rig.trackers) expect(local.state).toBe('open')
    await expect(rig.received!.sendMessage(bytes('x'))).rejects.toBeInstanceOf(StorageError)
  })

  test('that nobody listens to is told so', async () => {
    const rig = new GroupRig()
    await rig.boot()
    await expect(rig.group.sendMessage(bytes('x'))).rejects.toMatchObject({ code: 'PEER_LOST' })
    await rig.move(await rig.connect())
    await expect(rig.group.sendMessage(bytes('x'))).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
  })

  test('are kept within bounds', async () => {
    const rig = new GroupRig()
    await rig.boot()
    let most = 0
    await rig.move(
      await rig.connect(),
      {},
      {
        messageHandler: (message) => {
          most = Math.max(most, message.length)
        },
      },
    )
    for (const wrong of [0, GROUP_MESSAGE_BYTES + 1]) {
      await expect(rig.group.sendMessage(new Uint8Array(wrong))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    await rig.group.sendMessage(new Uint8Array(GROUP_MESSAGE_BYTES))
    expect(most).toBe(GROUP_MESSAGE_BYTES)
    const sent = Array.from({ length: GROUP_MESSAGES + 1 }, () => rig.group.sendMessage(bytes('x')))
    const ends = await Promise.allSettled(sent)
    expect(ends.filter(({ status }) => status === 'fulfilled').length).toBe(GROUP_MESSAGES)
    expect(ends.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'LIMIT_EXCEEDED' } })
  })

  test('wait for nobody who is gone', async () => {
    const rig = new GroupRig()
    await rig.boot()
    const connections = await rig.connect()
    await rig.move(connections, {}, { messageHandler: () => new Promise(() => {}) })
    const waiting = [rig.group.sendMessage(bytes('x')), rig.group.sendMessage(bytes('y'))]
    await connections.near.close(new StorageError('ABORTED'))
    for (const end of await Promise.allSettled(waiting)) expect(end.status).toBe('rejected')
  })
})
