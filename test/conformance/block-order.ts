import { seededRandom } from '../../src/async/random.ts'
import { addBlocks, type BlockOrder } from '../../src/orders/block-order.ts'
import { type ConformanceCase, expectNumbers, expectSame, expectThat } from './case.ts'

/** Makes an empty order over so many blocks. */
export type BlockOrderFactory = (numBlocks: number) => BlockOrder

/** The contract of `BlockOrder`: a set whose members come out once each, whatever the order. */
export function blockOrderConformance(create: BlockOrderFactory): ConformanceCase[] {
  return [
    {
      name: 'starts empty and says so',
      run: async () => {
        const order = create(10)
        expectSame(order.numBlocks, 10, 'numBlocks')
        expectSame(order.available, 0, 'available')
        expectSame(order.next(), undefined, 'next')
        expectThat(!order.has(0), 'no block is in')
      },
    },
    {
      name: 'hands out every block once, one by one, then nothing',
      run: async () => {
        for (const numBlocks of [1, 2, 31, 32, 33, 127, 128, 129, 1000]) {
          const order = create(numBlocks)
          order.addAll()
          expectSame(order.available, numBlocks, 'available when full')
          expectNumbers(
            drain(order, 1).sort((a, b) => a - b),
            upTo(numBlocks),
            `blocks of ${numBlocks}`,
          )
          expectSame(order.available, 0, 'available when drained')
        }
      },
    },
    {
      name: 'hands out every block once in runs no longer than asked for',
      run: async () => {
        for (const limit of [2, 7, 64, 10_000]) {
          const order = create(1000)
          order.addAll()
          expectNumbers(
            drain(order, limit).sort((a, b) => a - b),
            upTo(1000),
            `blocks in runs of ${limit}`,
          )
        }
      },
    },
    {
      name: 'never hands out a removed block, and forgets it',
      run: async () => {
        const order = create(100)
        order.addAll()
        for (const block of [0, 50, 99, 99]) order.remove(block)
        expectSame(order.available, 97, 'available')
        expectThat(!order.has(50), 'a removed block is out')
        const blocks = drain(order, 5)
        expectSame(blocks.length, 97, 'blocks')
        for (const block of [0, 50, 99]) expectThat(!blocks.includes(block), `${block} does not come`)
      },
    },
    {
      name: 'takes a block again that was put back, also behind where it is',
      run: async () => {
        const order = create(64)
        order.addAll()
        drain(order, 1)
        for (const block of [40, 3, 40, 63, 0]) order.add(block)
        expectSame(order.available, 4, 'a block added twice is in once')
        expectThat(order.has(40) && !order.has(41), 'has')
        expectNumbers(
          drain(order, 1).sort((a, b) => a - b),
          [0, 3, 40, 63],
          'blocks',
        )
      },
    },
    {
      name: 'takes neighbouring blocks at once, whether they are in or not',
      run: async () => {
        const order = create(300)
        for (const block of [0, 100, 299]) order.add(block)
        addBlocks(order, 90, 140)
        addBlocks(order, 90, 1)
        expectSame(order.available, 142, 'available')
        expectThat(!order.has(89) && order.has(90) && order.has(229) && !order.has(230), 'has')
        drain(order, 7)
        addBlocks(order, 0, 300)
        expectNumbers(
          drain(order, 9).sort((a, b) => a - b),
          upTo(300),
          'all blocks',
        )
      },
    },
    {
      name: 'takes a gapless range out of turn',
      run: async () => {
        const order = create(100)
        order.addAll()
        order.remove(20)
        expectSame(order.takeFrom(10, 50), 10, 'up to the gap')
        expectSame(order.takeFrom(20, 50), 0, 'nothing at a gap')
        expectSame(order.takeFrom(90, 50), 10, 'up to the end')
        expectSame(order.available, 79, 'available')
        const blocks = drain(order, 8)
        expectSame(blocks.length, 79, 'blocks left')
        expectThat(!blocks.includes(15) && !blocks.includes(95), 'a taken block does not come')
      },
    },
    {
      name: 'agrees with a plain set through random use',
      run: async () => {
        for (let seed = 1; seed <= 50; seed++) compareWithSet(create, seed)
      },
    },
  ]
}

function compareWithSet(create: BlockOrderFactory, seed: number): void {
  const random = seededRandom(seed)
  const numBlocks = 1 + Math.floor(random() * 300)
  const order = create(numBlocks)
  const model = new Set<number>()
  for (let step = 0; step < 400; step++) {
    const what = `seed ${seed}, step ${step}`
    const block = Math.floor(random() * numBlocks)
    const choice = random()
    if (choice < 0.02) {
      order.addAll()
      for (let each = 0; each < numBlocks; each++) model.add(each)
    } else if (choice < 0.35) {
      order.add(block)
      model.add(block)
    } else if (choice < 0.4) {
      const count = 1 + Math.floor(random() * Math.min(40, numBlocks - block))
      addBlocks(order, block, count)
      for (let each = block; each < block + count; each++) model.add(each)
    } else if (choice < 0.55) {
      order.remove(block)
      model.delete(block)
    } else if (choice < 0.65) {
      const taken = order.takeFrom(block, 1 + Math.floor(random() * 10))
      for (let each = block; each < block + taken; each++) expectThat(model.delete(each), `${what}: ${each} was in`)
    } else {
      const limit = 1 + Math.floor(random() * 8)
      const run = order.next(limit)
      expectSame(run === undefined, model.size === 0, `${what}: nothing comes only of an empty set`)
      if (!run) continue
      expectThat(run.count >= 1 && run.count <= limit, `${what}: run of ${run.count}, asked for ${limit}`)
      for (let each = run.start; each < run.start + run.count; each++) {
        expectThat(model.delete(each), `${what}: ${each} was in`)
      }
    }
    expectSame(order.available, model.size, `${what}: available`)
    expectSame(order.has(block), model.has(block), `${what}: has(${block})`)
  }
}

function drain(order: BlockOrder, limit: number): number[] {
  const blocks: number[] = []
  for (let run = order.next(limit); run; run = order.next(limit)) {
    expectThat(run.count >= 1 && run.count <= limit, `a run of ${run.count} for a limit of ${limit}`)
    for (let block = run.start; block < run.start + run.count; block++) blocks.push(block)
    expectThat(blocks.length <= order.numBlocks, 'the drain ends')
  }
  return blocks
}

function upTo(end: number): number[] {
  return Array.from({ length: end }, (_, index) => index)
}
