import { errorCode, errorMessage } from '../../../src/errors/storage-error.ts'
import { Syncer } from '../../../src/migration/syncer.ts'
import { createDirtyTracker } from '../../../src/modules/dirty-tracker.ts'
import { VolatilityMonitor } from '../../../src/orders/volatility-monitor.ts'
import { Application, planWorkload } from '../application.ts'
import type { FaultKind } from '../faults.ts'
import { same } from '../shadow.ts'
import { demand, type World } from '../world.ts'

const FAULTS: readonly FaultKind[] = [
  ...(['read fails', 'write fails', 'flush fails', 'short read', 'short write', 'torn write', 'full', 'slow'] as const),
  ...(['hide', 'abort'] as const),
]

const READS: ReadonlySet<FaultKind> = new Set<FaultKind>(['read fails', 'short read'])

/** Every so many steps all blocks that are said to be safe are looked at. */
const LOOK_STEPS = 8

/** A copy is kept of a disk that is written; whatever it calls safe is durable over there, at any moment, and in the end all of it. */
export async function replicate(world: World): Promise<void> {
  const { plan, geometry, scheduler } = world
  const { size, blockSize } = geometry
  const machine = world.machines.source
  const options = {
    freshDestination: plan.below(3) === 2,
    runBytes: plan.pick([2 ** 20, blockSize, 4 * blockSize]),
    concurrency: { any: plan.pick([16, 1, 2]) },
    periodMs: plan.pick([1, 20, 500]),
    minAgeMs: plan.pick([0, 0, 30]),
    ...(plan.below(3) === 2 ? { roundBlocks: plan.pick([1, 3]) } : {}),
  }
  const near = world.disk('source', world.diskTraits())
  const shadow = world.fill(near)
  const far = world.disk('destination', world.diskTraits())
  if (!options.freshDestination) world.fillNoise(far)
  const { local, remote } = createDirtyTracker(near.open(machine), blockSize)
  const monitor = plan.below(3) === 2 ? new VolatilityMonitor(local, blockSize, { clock: machine }) : undefined
  const workload = planWorkload(plan, geometry, { most: 24 })
  world.planFaults(FAULTS)
  // Of the source it only reads. Each call that went wrong excuses one failure.
  const causes = () => near.struck.filter((kind) => READS.has(kind)).length + far.struck.length
  let failures = 0
  const syncer = new Syncer({
    ...options,
    source: remote,
    destination: far.open(machine),
    clock: machine,
    ...(monitor ? { order: monitor } : {}),
    errorHandler: (error) => {
      scheduler.note(`a round failed with ${errorCode(error)}: ${errorMessage(error)}`)
      failures++
      const isCaused = errorCode(error) !== undefined && failures <= causes()
      demand('rounds succeed', isCaused, `Failed without a fault: ${errorMessage(error)}`)
    },
  })
  let isStopping = false
  world.onFault = ({ kind }) => {
    if (kind !== 'abort' || isStopping) return
    isStopping = true
    void syncer.stop().then(() => {
      isStopping = false
      run()
    })
  }
  const look = () => {
    for (let block = 0; block * blockSize < size; block++) {
      if (!syncer.isSafe(block)) continue
      const bytes = far.durable.subarray(block * blockSize, (block + 1) * blockSize)
      const wrong = shadow.wrong(bytes, block * blockSize, shadow.now())
      demand('safe is safe', wrong === undefined, `Block ${block} is said to be safe and is not: ${wrong}`)
    }
  }
  let isOver = false
  scheduler.watch = () => {
    world.applyFaults()
    if (!isOver && scheduler.steps % LOOK_STEPS === 0) look()
  }
  const run = () => void syncer.run().catch((error: unknown) => scheduler.report(error))
  run()
  const application = new Application(
    { machine, disk: monitor ?? local, shadow, mayFail: () => near.struck.length > 0 },
    workload,
  )
  await application.done
  world.stopFaults()
  const before = shadow.now()
  await syncer.whenSafe()
  look()
  const wrong = shadow.wrong(far.durable, 0, before)
  demand('nothing is lost', wrong === undefined, `All is said to be safe, and is not: ${wrong}`)
  const isSame = same(near.bytes, far.durable)
  demand('both are equal', isSame, 'The copy is not what the source holds.')
  isOver = true
  await syncer.close()
  demand('the writer goes on', local.state === 'open', `Nothing is copied any more, and the source is ${local.state}.`)
}
