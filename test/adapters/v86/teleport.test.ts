import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type Arrival, type ArriveOptions, arrive } from '../../../src/adapters/v86/arrive.ts'
import { type Teleported, type TeleportOptions, teleport } from '../../../src/adapters/v86/teleport.ts'
import { type Connection, openConnection } from '../../../src/protocol/connection.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { type MemoryChannels, memoryChannels } from '../../../src/transports/memory.ts'
import { COUNTING, emptyMachine, type Guest, hasGuest, startGuest } from './guest.ts'

interface Link {
  readonly near: Connection
  readonly far: Connection
  readonly channels: MemoryChannels
}

/** Twice there and back; `MOVES=10` for more. */
const MOVES = Number(process.env.MOVES ?? 4)

const guests: Guest[] = []
const links: Link[] = []

afterEach(async () => {
  for (const { near, far } of links.splice(0)) await Promise.all([near.close(), far.close()])
  for (const guest of guests.splice(0)) await guest.destroy()
})

async function connect(): Promise<Link> {
  const channels = memoryChannels()
  const [near, far] = await Promise.all([
    openConnection([channels.a], { role: 'dialer' }),
    openConnection([channels.b], { role: 'listener' }),
  ])
  const link = { near, far, channels }
  links.push(link)
  return link
}

async function started(): Promise<Guest> {
  const guest = await startGuest()
  guests.push(guest)
  return guest
}

interface Move {
  /** Where it arrives; undefined when it was refused. */
  guest: Guest | undefined
  place: MemoryStorage | undefined
  readonly teleported: Promise<Teleported>
  readonly arrival: Promise<Arrival>
}

/** Begins to move a guest. */
function move(
  from: Guest,
  { near, far }: Link,
  options: { near?: Partial<TeleportOptions>; far?: Partial<ArriveOptions>; onMade?: (guest: Guest) => void } = {},
): Move {
  const move: { -readonly [Key in keyof Move]?: Move[Key] } = {}
  move.arrival = arrive({
    connection: far,
    version: 'guest',
    place: ({ size }) => {
      move.place = new MemoryStorage(size)
      return move.place
    },
    machine: (offer) => {
      move.guest = emptyMachine(offer)
      guests.push(move.guest)
      options.onMade?.(move.guest)
      return move.guest.emulator
    },
    ...options.far,
  })
  const { emulator, disk } = from
  move.teleported = teleport({ emulator, disk, connection: near, version: 'guest', ...options.near })
  for (const side of [move.arrival, move.teleported]) side.catch(() => {})
  return move as Move
}

/** How many numbers it prints within half a second. */
async function counts(guest: Guest): Promise<number> {
  const before = guest.numbers.length
  await new Promise((resolve) => setTimeout(resolve, 1000))
  return guest.numbers.length - before
}

function checkFileSystem(place: MemoryStorage): string {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-fsck-'))
  try {
    const bytes = new Uint8Array(place.size)
    place.readAtSync(bytes, 0)
    writeFileSync(join(folder, 'disk'), bytes)
    const path = `${process.env.PATH}:/sbin:/usr/sbin`
    return execFileSync('e2fsck', ['-fn', join(folder, 'disk')], {
      encoding: 'utf8',
      env: { ...process.env, PATH: path },
      stdio: 'pipe',
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe.skipIf(!hasGuest)('a guest that counts aloud and on its disk', () => {
  test('moves there and back, and misses and repeats nothing', { timeout: 600_000 }, async () => {
    let guest = await started()
    await guest.run('dd if=/dev/urandom of=/mnt/large bs=1M count=4 2>/dev/null; sync')
    const sum = (await guest.run('sha256sum /mnt/large')).match(/[0-9a-f]{64}/)![0]
    guest.type(COUNTING)
    await guest.printed(/n5\r/)
    const printed: number[] = []
    let place: MemoryStorage | undefined
    for (let moves = 0; moves < MOVES; moves++) {
      const link = await connect()
      const moved = move(guest, link)
      const { acknowledged, pauseMs } = await moved.teleported
      await (await moved.arrival).running
      expect(acknowledged).toBe(true)
      expect(pauseMs).toBeLessThan(10_000)
      await expect(guest.emulator.run()).rejects.toMatchObject({ code: 'NOT_OWNER' })
      printed.push(...guest.numbers)
      await guest.destroy()
      guests.splice(guests.indexOf(guest), 1)
      guest = moved.guest!
      place = moved.place
      await guest.printed(/n\d+\r\nn\d+\r/)
    }
    const from = guest.output.length
    guest.type('\x03')
    await guest.printed(/# $/, from)
    printed.push(...guest.numbers)
    expect(printed).toEqual(Array.from({ length: printed.at(-1)! }, (_, index) => index + 1))
    const stored = (await guest.run('cat /mnt/numbers')).match(/^\d+/gm)!.map(Number)
    expect(stored.length).toBeGreaterThanOrEqual(printed.length - 1)
    expect(stored).toEqual(Array.from({ length: stored.length }, (_, index) => index + 1))
    expect(await guest.run('sha256sum /mnt/large')).toContain(sum)
    await guest.run('mount -o remount,ro /mnt')
    await guest.emulator.stop()
    await guest.disk.settle()
    expect(checkFileSystem(place!)).not.toMatch(/wrong|Fix/)
  })

  test('runs elsewhere before its disk is there, and reads and writes it', { timeout: 200_000 }, async () => {
    const guest = await started()
    await guest.run(
      'dd if=/dev/urandom of=/mnt/large bs=1M count=8 2>/dev/null; sync; echo 3 > /proc/sys/vm/drop_caches',
    )
    const sum = (await guest.run('sha256sum /mnt/large; echo 3 > /proc/sys/vm/drop_caches')).match(/[0-9a-f]{64}/)![0]
    const moved = move(guest, await connect(), { near: { strategy: 'post-copy' } })
    const { running, parts } = await moved.arrival
    await running
    const missing = parts[0]!.cache.missingBlocks
    expect(missing).toBeGreaterThan(0)
    expect(await moved.guest!.run('cp /mnt/large /mnt/copy; sync; sha256sum /mnt/copy')).toContain(sum)
    expect((await moved.teleported).acknowledged).toBe(true)
    await parts[0]!.whole
    await moved.guest!.run('mount -o remount,ro /mnt')
    await moved.guest!.emulator.stop()
    await moved.guest!.disk.settle()
    expect(checkFileSystem(moved.place!)).not.toMatch(/wrong|Fix/)
  })

  test('is refused where the machine differs, before anything moves, and runs on', { timeout: 200_000 }, async () => {
    const guest = await started()
    guest.type(COUNTING)
    const refusals: [Partial<ArriveOptions>, string][] = [
      [{ version: 'another' }, 'INCOMPATIBLE'],
      [{ largestDiskBytes: 2 ** 20 }, 'LIMIT_EXCEEDED'],
      [{ largestMemoryBytes: 2 ** 20 }, 'LIMIT_EXCEEDED'],
      [{ machine: (offer) => other({ ...offer, memoryBytes: 2 ** 26 }) }, 'INCOMPATIBLE'],
      [{ machine: (offer) => other({ ...offer, vgaMemoryBytes: 2 ** 22 }) }, 'INCOMPATIBLE'],
    ]
    const other = (offer: Parameters<typeof emptyMachine>[0]) => {
      guests.push(emptyMachine(offer))
      return guests.at(-1)!.emulator
    }
    for (const [far, code] of refusals) {
      const phases: string[] = []
      const moved = move(guest, await connect(), { far, near: { onPhase: (phase) => phases.push(phase) } })
      await expect(moved.teleported).rejects.toMatchObject({ code })
      await expect(moved.arrival).rejects.toMatchObject({ code })
      expect(phases).toEqual(['agreeing'])
      expect(moved.place).toBeUndefined()
    }
    expect(await counts(guest)).toBeGreaterThan(1)
  })

  test.each(['moving', 'stopped', 'restoring', 'restored'] as const)(
    'goes on where it was when the link is lost while it is %s, and can move after that',
    { timeout: 200_000 },
    async (when) => {
      const guest = await started()
      guest.type(COUNTING)
      const link = await connect()
      const cut = () => link.channels.sever()
      const lost = move(guest, link, {
        near: { onPhase: (phase) => phase === when && cut() },
        onMade: ({ emulator }) => {
          const restore = emulator.restore_state.bind(emulator)
          emulator.restore_state = async (state) => {
            if (when === 'restoring') cut()
            await restore(state)
            if (when === 'restored') cut()
          }
        },
      })
      await expect(lost.teleported).rejects.toMatchObject({ code: 'PEER_LOST' })
      const ended = lost.arrival.then((arrival) => arrival.running)
      await expect(ended).rejects.toMatchObject({ code: expect.stringMatching(/PEER_LOST|IN_DOUBT/) })
      expect(await counts(guest)).toBeGreaterThan(1)
      if (lost.guest) expect(lost.guest.output).toBe('')
      const moved = move(guest, await connect())
      expect((await moved.teleported).acknowledged).toBe(true)
      await (await moved.arrival).running
      expect(await counts(moved.guest!)).toBeGreaterThan(1)
      const printed = [...guest.numbers, ...moved.guest!.numbers]
      expect(printed).toEqual(Array.from({ length: printed.length }, (_, index) => index + 1))
    },
  )
})
