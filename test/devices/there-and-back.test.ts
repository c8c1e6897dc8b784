import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

test.each(['pre-copy', 'post-copy'] as const)(
  'a disk moves there and back again, by %s, and only what was written travels',
  async (strategy) => {
    const machines = new TwoMachines(seededRandom(8), 1500)
    await machines.bootSource()
    machines.bootDestination()
    for (let move = 1; move <= 5; move++) {
      const before = machines.bytesSent
      const { source } = await machines.move(await machines.connect(), { strategy })
      expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
      await machines.arriving.whole
      expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
      expect(machines.arriving.journal.ownership).toMatchObject({ state: 'owner', epoch: move + 1 })
      // Four writes touch at most eight blocks; without a first pass what else is in doubt, eight slices of 16, is not compared.
      const expected = strategy === 'pre-copy' ? 30 * BLOCK : 150 * BLOCK
      if (move > 1) expect(machines.bytesSent - before).toBeLessThan(expected)
      await machines.write(4)
      await machines.turnAround()
      expect(machines.sending.isReleased).toBe(false)
    }
  },
)
