import { expect, test } from 'vitest'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import { PriorityBlockOrder } from '../../src/orders/priority-block-order.ts'

test('takes the lowest block first', () => {
  const order = new AnyBlockOrder(10)
  for (const block of [7, 2, 5]) order.add(block)
  expect([order.next()?.start, order.next()?.start, order.next()?.start, order.next()]).toEqual([2, 5, 7, undefined])
})

test('a run ends at a gap and at its limit', () => {
  const order = new AnyBlockOrder(10)
  order.addAll()
  order.remove(3)
  expect({ ...order.next(100) }).toEqual({ start: 0, count: 3, type: 'standard' })
  expect({ ...order.next(2) }).toEqual({ start: 4, count: 2, type: 'standard' })
})

test('a chained order hears of every block that is taken, added and removed', () => {
  const behind = new AnyBlockOrder(10)
  const order = new AnyBlockOrder(10, behind)
  order.addAll()
  expect(behind.available).toBe(10)
  order.next(3)
  order.remove(5)
  order.takeFrom(8, 2)
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].filter((block) => behind.has(block))).toEqual([3, 4, 6, 7])
})

test('an empty order asks the one behind it', () => {
  const behind = new AnyBlockOrder(10)
  const order = new AnyBlockOrder(10, behind)
  behind.add(4)
  expect(order.has(4)).toBe(true)
  expect(order.next()?.start).toBe(4)
  expect(order.next()).toBeUndefined()
})

test('a block outside the disk is refused', () => {
  const order = new AnyBlockOrder(10)
  for (const block of [-1, 10, 0.5, Number.NaN]) expect(() => order.add(block), String(block)).toThrow(RangeError)
})

test('prioritised blocks come first, in the order they were asked for, and only while they are available', () => {
  const order = new PriorityBlockOrder(new AnyBlockOrder(128))
  order.addAll()
  expect(order.prioritise(57)).toBe(true)
  expect(order.prioritise(3)).toBe(true)
  expect(order.prioritise(57)).toBe(true)
  order.remove(3)
  expect(order.prioritise(90)).toBe(true)
  expect({ ...order.next(8) }).toEqual({ start: 57, count: 1, type: 'priority' })
  expect({ ...order.next(8) }).toEqual({ start: 90, count: 1, type: 'priority' })
  expect({ ...order.next(2) }).toEqual({ start: 0, count: 2, type: 'standard' })
  expect(order.prioritise(57), 'a block that has gone').toBe(false)
  expect(order.urgent).toBe(0)
})

test('a request for a block that went another way is void', () => {
  const order = new PriorityBlockOrder(new AnyBlockOrder(8))
  order.addAll()
  order.prioritise(2)
  order.takeFrom(0, 4)
  expect({ ...order.next() }).toEqual({ start: 4, count: 1, type: 'standard' })
})
