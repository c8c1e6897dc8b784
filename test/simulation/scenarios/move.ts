import { planWorkload } from '../application.ts'
import { type Hardware, placeBytes } from '../sides.ts'
import type { SideName, World } from '../world.ts'
import { MoveLeg } from './move-leg.ts'
import { type MoveKind, type MoveSetup, planMove, planMoveFaults } from './move-setup.ts'

/** A disk moves while it is used; some move back, to where an older copy of them lies, and some once more. */
export async function move(world: World, kind: MoveKind = 'any'): Promise<void> {
  const { plan, geometry } = world
  const setup = planMove(world, kind)
  const hardware = {
    source: openHardware(world, setup, 'source'),
    destination: openHardware(world, setup, 'destination'),
  }
  const shadow = world.fill(hardware.source.disk)
  if (setup.olderCopy) world.fillOlder(hardware.destination.disk, hardware.source.disk)
  let [from, to]: [SideName, SideName] = ['source', 'destination']
  for (let leg = 1; ; leg++) {
    const work = {
      source: planWorkload(plan, geometry, { most: 16 }),
      destination: planWorkload(plan, geometry, { most: 12, readers: 12, flushes: kind === 'killed owner' }),
    }
    planMoveFaults(world, setup)
    const parts = { setup, from, to, near: hardware[from], far: hardware[to], shadow, work }
    await new MoveLeg(world, parts).run()
    if (leg === setup.legs) return
    world.scheduler.note('the disk moves back')
    for (const name of ['source', 'destination'] as const) shadow.kill(name)
    world.beginAnew()
    // Other programs, which know what is written down.
    for (const name of ['source', 'destination'] as const) world.restart(name)
    ;[from, to] = [to, from]
  }
}

/** The disk of a side, and where it writes down whose it is. */
export function openHardware(world: World, { journals }: MoveSetup, name: SideName): Hardware {
  const traits = world.diskTraits({ synchronous: !journals })
  const disk = world.disk(name, traits)
  const latencyMs = Math.min(traits.latencyMs, 2)
  const place = journals ? world.place(name, placeBytes(world.geometry), { ...traits, latencyMs }) : undefined
  return { disk, place, boots: 1 }
}
