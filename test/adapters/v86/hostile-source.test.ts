import { afterEach, describe, expect, test, vi } from 'vitest'
import { offerMachine } from '../../../src/adapters/v86/agreement-messages.ts'
import { arrive, type MachineOffer } from '../../../src/adapters/v86/arrive.ts'
import { describe as describeMachine, type MachineDescription } from '../../../src/adapters/v86/description.ts'
import { whenLoaded } from '../../../src/adapters/v86/machine.ts'
import { teleport } from '../../../src/adapters/v86/teleport.ts'
import { V86State } from '../../../src/adapters/v86/v86-state.ts'
import { DeviceGroup } from '../../../src/devices/device-group.ts'
import { GROUP_DEVICE } from '../../../src/devices/group-messages.ts'
import { createDirtyTracker } from '../../../src/modules/dirty-tracker.ts'
import type { Connection } from '../../../src/protocol/connection.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { type CountingMachine, DISK_BYTES, MachineRoom, VERSION } from './counting-machines.ts'

const room = new MachineRoom()
afterEach(() => room.end())

const text = (word: string) => new TextEncoder().encode(word)

async function about({ emulator }: CountingMachine): Promise<MachineDescription> {
  const cpu = await whenLoaded(emulator)
  const { saved } = await V86State.of(emulator, cpu)
  return describeMachine(cpu, saved, { version: VERSION, diskBytes: DISK_BYTES })
}

/** Sends other parts than those of the machine that was offered. */
async function send(near: Connection, parts: readonly { name: string; bytes: number }[], word = 'restore') {
  const group = await DeviceGroup.open({
    disks: parts.map(({ name, bytes }) => ({
      name,
      source: createDirtyTracker(new MemoryStorage(bytes), 4096).remote,
    })),
  })
  return group.send({ connection: near, handOver: () => group.sendMessage(text(word)) })
}

async function receive(far: Connection) {
  const place = vi.fn(({ size }: { size: number }) => new MemoryStorage(size))
  const machine = (offer: MachineOffer) => room.empty(offer).emulator
  const arrival = arrive({ connection: far, version: VERSION, place, machine })
  arrival.catch(() => {}) // Looked at below.
  return { arrival, place }
}

describe('a source that does not do what it said', { timeout: 60_000 }, () => {
  test('and sends a larger disk gets no place for it', async () => {
    const here = await room.start()
    const { near, far } = await room.connect()
    const { arrival, place } = await receive(far)
    await offerMachine(near, await about(here))
    await expect(send(near, [{ name: 'disk', bytes: 2 ** 24 }])).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
    await expect(arrival).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
    expect(place).not.toHaveBeenCalled()
  })

  test.each([
    [
      'no state',
      [
        { name: 'disk', bytes: DISK_BYTES },
        { name: 'memory', bytes: 2 ** 22 },
      ],
      'MALFORMED',
    ],
    [
      'a state of zeroes',
      [
        { name: 'disk', bytes: DISK_BYTES },
        { name: 'memory', bytes: 2 ** 22 },
        { name: 'state', bytes: 2 ** 20 },
      ],
      'CORRUPT',
    ],
  ])('and sends %s is told so', async (_, parts, code) => {
    const here = await room.start()
    const { near, far } = await room.connect()
    const { arrival } = await receive(far)
    await offerMachine(near, await about(here))
    await expect(send(near, parts)).rejects.toMatchObject({ code })
    const { running } = await arrival
    await near.close()
    await expect(running).rejects.toMatchObject({ code: expect.stringMatching(/PEER_LOST|IN_DOUBT/) })
  })

  test('and restores a machine that runs already is refused', async () => {
    const here = await room.start()
    const link = await room.connect()
    const moved = room.move(here, link)
    await moved.teleported
    await (await moved.arrival).running
    const event = { kind: 'event', type: 'custom', customType: 0, payload: text('restore') } as const
    const answer = await link.near.rw.request(GROUP_DEVICE, event)
    expect(answer).toMatchObject({ kind: 'failure-response', code: 'MALFORMED' })
    await moved.guest!.says(5)
  })
})

test('a third move over one connection begins like the first, whoever comes earlier', { timeout: 60_000 }, async () => {
  let here = await room.start()
  const link = await room.connect()
  for (let move = 0; move < 3; move++) {
    const [near, far] = move % 2 === 0 ? [link.near, link.far] : [link.far, link.near]
    const { emulator, disk } = here
    const offered = new Promise<void>((resolve) => {
      const { onArrival } = far.rw
      far.rw.onArrival = () => {
        onArrival?.()
        far.rw.onArrival = onArrival
        queueMicrotask(resolve)
      }
    })
    const gone = teleport({ emulator, disk, connection: near, version: VERSION })
    gone.catch(() => {}) // Looked at below.
    await offered
    let there: CountingMachine | undefined
    const arrival = await arrive({
      connection: far,
      version: VERSION,
      place: ({ size }) => new MemoryStorage(size),
      machine: (offer) => {
        there = room.empty(offer)
        return there.emulator
      },
    })
    expect((await gone).acknowledged).toBe(true)
    await arrival.running
    here = there!
    await here.says(3)
  }
})
