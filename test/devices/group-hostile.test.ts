import { describe, expect, test } from 'vitest'
import { GROUP_DEVICE } from '../../src/devices/group-messages.ts'
import { GROUP_DISKS } from '../../src/devices/limits.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import type { Packet } from '../../src/protocol/packets/packet.ts'
import { BLOCK, GroupRig } from './group-rig.ts'

const devices = (count: number): Packet => ({
  kind: 'device-group-info',
  devices: Array.from({ length: count }, (_, index) => {
    return { kind: 'dev-info', dev: index + 1, name: `disk ${index}`, size: BLOCK, blockSize: BLOCK, schema: '' }
  }),
})

/** Says something about a group to whoever waits for one; resolves with what that makes of it. */
async function tell(...packets: Packet[]): Promise<unknown> {
  const rig = new GroupRig()
  const { near, far } = await rig.connect()
  const received = rig.receive(far).then(
    () => undefined,
    (error: unknown) => error,
  )
  for (const packet of packets) await near.rw.post(GROUP_DEVICE, packet, { urgent: true }).catch(() => {})
  return received
}

describe('a peer that breaks the rules of a group ends the connection, with a code:', () => {
  test.each<[string, string, Packet[]]>([
    ['no disks', 'LIMIT_EXCEEDED', [devices(0)]],
    ['too many disks', 'LIMIT_EXCEEDED', [devices(GROUP_DISKS + 1)]],
    ['disks twice', 'MALFORMED', [devices(2), devices(2)]],
    ['something for a disk', 'MALFORMED', [{ kind: 'need-at', offset: 0, length: BLOCK }]],
  ])('%s', async (_, code, packets) => {
    expect(await tell(...packets)).toMatchObject({ code })
  })

  test('other disks than before', async () => {
    const rig = new GroupRig()
    await rig.boot()
    await rig.move(await rig.connect())
    const { near, far } = await rig.connect()
    const attached = rig.received!.attach(far)
    await near.rw.post(GROUP_DEVICE, devices(2), { urgent: true })
    await expect(attached).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
  })

  test('disks announced to the side that sends them', async () => {
    const rig = new GroupRig()
    await rig.boot()
    const { near, far } = await rig.connect()
    await far.rw.post(GROUP_DEVICE, devices(1), { urgent: true })
    const { source } = await rig.move({ near, far })
    expect(source).toMatchObject({ status: 'rejected', reason: { code: 'MALFORMED' } })
    for (const { local } of rig.trackers) expect(local.state).toBe('open')
  })
})

describe('a peer that speaks of a doubt of its own does not keep the writers here stopped:', () => {
  const doubt = () => new StorageError('IN_DOUBT', 'Who knows?')

  test.each<
    [string, (rig: GroupRig, connected: Awaited<ReturnType<GroupRig['connect']>>) => Parameters<GroupRig['move']>]
  >([
    [
      'as the answer to a message at the hand-over',
      (rig, connected) => [
        connected,
        { handOver: () => rig.group.sendMessage(Uint8Array.of(1)) },
        { messageHandler: () => Promise.reject(doubt()) },
      ],
    ],
    [
      'as the answer to a hand-over that is prepared',
      (rig, connected) => {
        const journal = async (_offer: unknown, index: number) => {
          const journal = await rig.far.journal(index)
          journal.checkpoint = (options) => (options?.ownership ? Promise.reject(doubt()) : Promise.resolve())
          return journal
        }
        return [connected, {}, { journal }]
      },
    ],
    [
      'as its last words',
      (rig, connected) => [
        connected,
        { handOver: () => rig.group.sendMessage(Uint8Array.of(1)) },
        { messageHandler: () => connected.far.close(doubt()) },
      ],
    ],
  ])('%s', async (_, how) => {
    const rig = new GroupRig()
    await rig.boot()
    const { source } = await rig.move(...how(rig, await rig.connect()))
    expect(source.status).toBe('rejected')
    expect((source as PromiseRejectedResult).reason.code).not.toBe('IN_DOUBT')
    for (const { local } of rig.trackers) expect(local.state).toBe('open')
  })
})
