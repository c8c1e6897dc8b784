import { errorCode, errorMessage } from '../../../src/errors/storage-error.ts'
import { migrateLive } from '../../../src/migration/migrate-live.ts'
import { createDirtyTracker } from '../../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../../src/orders/any-block-order.ts'
import type { BlockOrder } from '../../../src/orders/block-order.ts'
import { VolatilityMonitor } from '../../../src/orders/volatility-monitor.ts'
import { Application, planWorkload } from '../application.ts'
import type { FaultKind } from '../faults.ts'
import { same } from '../shadow.ts'
import { demand, type World } from '../world.ts'

const FAULTS: readonly FaultKind[] = [
  ...(['read fails', 'write fails', 'flush fails', 'short read', 'short write', 'torn write', 'full', 'slow'] as const),
  ...(['hide', 'abort', 'corrupt write', 'lost write'] as const),
]

/** What a storage does that says nothing of it: only reading back finds it, and an application does not read back. */
const SILENT: readonly FaultKind[] = ['corrupt write', 'lost write']

const FAULTY_ATTEMPTS = 5
const MOST_ATTEMPTS = 10

/** A disk is copied within one process while its application writes, everything is read back, and then it is the copy that counts. */
export async function copy(world: World): Promise<void> {
  const { plan, geometry, scheduler } = world
  const { blockSize } = geometry
  const machine = world.machines.source
  const traits = world.diskTraits()
  const options = {
    volatile: plan.below(3) === 2,
    // A storage that lies about its writes shows it only once it is read: then its blocks are sent once more.
    freshDestination: plan.below(3) === 2,
    runBytes: plan.pick([2 ** 20, blockSize, 4 * blockSize]),
    concurrency: { any: plan.pick([16, 1, 2]) },
    maxRounds: plan.pick([30, 3, 1]),
    maxPauseMs: plan.pick([500, 5000, 20]),
    verify: plan.pick(['read-back', 'read-back', 'none'] as const),
  }
  const near = world.disk('source', traits)
  const shadow = world.fill(near)
  const far = world.disk('destination', world.diskTraits())
  if (!options.freshDestination) world.fillNoise(far)
  const workload = planWorkload(plan, geometry, { most: 14 })
  // Without reading back nothing is found that a storage says nothing of.
  world.planFaults(options.verify === 'none' ? FAULTS.filter((kind) => !SILENT.includes(kind)) : FAULTS)
  let abort = new AbortController()
  let isOver = false
  let writtenAt = -1
  world.onFault = ({ kind }) => {
    if (kind === 'abort') abort.abort()
  }
  scheduler.watch = () => {
    world.applyFaults()
    demand('one owner', !isOver || near.writtenAt === writtenAt, 'The source is written after the hand-over.')
  }
  const { local, remote } = createDirtyTracker(near.open(machine), blockSize)
  const monitor = options.volatile ? new VolatilityMonitor(local, blockSize, { clock: machine }) : undefined
  const order: BlockOrder = monitor ?? new AnyBlockOrder(Math.ceil(geometry.size / blockSize))
  const mayFail = () => [...world.happened].some((kind) => !SILENT.includes(kind))
  // What the source's own storage swallowed is nobody's to find.
  const isJudged = () => !isOver && !hasLied()
  const hasLied = () => world.lies.source
  void new Application({ machine, disk: monitor ?? local, shadow, mayFail, isJudged }, workload)
  const destination = far.open(machine)
  for (let attempt = 1; !isOver; attempt++) {
    if (attempt > FAULTY_ATTEMPTS) world.stopFaults()
    demand('it arrives', attempt <= MOST_ATTEMPTS, 'The copy does not end although no fault happens any more.')
    scheduler.note(`attempt ${attempt}`)
    world.beginAttempt()
    abort = new AbortController()
    const isPatient = attempt > FAULTY_ATTEMPTS
    try {
      const result = await migrateLive({
        ...options,
        source: remote,
        destination,
        order,
        clock: machine,
        signal: abort.signal,
        freshDestination: options.freshDestination && attempt === 1,
        ...(isPatient ? { maxRounds: 30, maxPauseMs: 60_000 } : {}),
        handOver: () => {
          demand(
            'the writer waits',
            local.state === 'locked',
            `The disk is handed over, and the source is ${local.state}.`,
          )
          const wrong = hasLied() ? undefined : shadow.wrong(far.durable, 0, shadow.now())
          demand('nothing is lost', wrong === undefined, `The copy is handed over and is not durable there: ${wrong}`)
          const isSame = hasLied() || same(near.bytes, far.durable)
          demand('both are equal', isSame, 'The copy that is handed over is not what the source holds.')
          isOver = true
          writtenAt = near.writtenAt
        },
      })
      const isRooted = result.root !== undefined || attempt > 1 || options.verify === 'none'
      demand('one root', isRooted, 'The root of the whole disk is not known.')
      demand(
        'the writer waits',
        local.state === 'locked',
        `The disk was handed over, and the source is ${local.state}.`,
      )
    } catch (error) {
      if (errorCode(error) === undefined) throw error
      scheduler.note(`failed with ${errorCode(error)}: ${errorMessage(error)}`)
      demand('the source runs on', local.state === 'open', `The copy has failed, and the source is ${local.state}.`)
      const isBusy = errorCode(error) === 'DID_NOT_CONVERGE'
      demand(
        'moves succeed',
        isBusy || world.isTroubled,
        `Failed without a fault: ${errorCode(error)}: ${errorMessage(error)}`,
      )
      await new Promise<void>((resolve) => scheduler.in(1000, 'a while passes', resolve))
    }
  }
}
