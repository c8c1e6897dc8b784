import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/errors/storage-error.ts'
import { Failures, isLasting } from '../../src/migration/failures.ts'
import { FAILURES_KEPT, RETRIES } from '../../src/migration/limits.ts'

describe('Failures', () => {
  it('reports nothing when nothing failed', () => {
    expect(new Failures(10).error()).toBeUndefined()
  })

  it('joins neighbours that failed with one error, and only those', () => {
    const failures = new Failures(10)
    const [one, other] = [new Error('one'), new Error('other')]
    for (const block of [3, 4]) failures.add(block, one)
    failures.add(5, other)
    failures.add(7, other)
    expect(failures.error()).toMatchObject({
      failedBlocks: 4,
      cause: one,
      failures: [
        { start: 3, count: 2, error: one },
        { start: 5, count: 1, error: other },
        { start: 7, count: 1, error: other },
      ],
    })
  })

  it('leaves out what was stored since, from the middle of a failure too', () => {
    const failures = new Failures(20)
    const error = new Error('no')
    for (let block = 0; block < 10; block++) failures.add(block, error)
    failures.stored(3, 2)
    failures.stored(9, 5)
    expect(failures.failedBlocks).toBe(7)
    expect(failures.error()?.failures.map(({ start, count }) => [start, count])).toEqual([
      [0, 3],
      [5, 4],
    ])
    failures.stored(0, 20)
    expect(failures.error()).toBeUndefined()
  })

  it('still reports when all it kept were stored since, and others were not', () => {
    const failures = new Failures(1000)
    for (let block = 0; block < 1000; block += 2) failures.add(block, new Error(`block ${block}`))
    expect(failures.error()?.failures.length).toBe(FAILURES_KEPT)
    failures.stored(0, 998)
    expect(failures.error()).toMatchObject({ failedBlocks: 1, failures: [{ start: 998, count: 1 }] })
  })

  it('counts a block once, however often it fails', () => {
    const failures = new Failures(10)
    for (let time = 0; time < 3; time++) failures.add(5, new Error('again'))
    expect(failures.failedBlocks).toBe(1)
  })

  it('gives all of them another chance, with new retries', () => {
    const failures = new Failures(10)
    for (const block of [1, 2, 8]) failures.add(block, new Error('no'))
    for (let retry = 0; retry < RETRIES; retry++) expect(failures.takeRetry()).toBe(true)
    expect(failures.takeRetry()).toBe(false)
    const taken: number[] = []
    failures.takeAll((block) => taken.push(block))
    expect(taken).toEqual([1, 2, 8])
    expect(failures.error()).toBeUndefined()
    expect(failures.takeRetry()).toBe(true)
  })
})

describe('isLasting', () => {
  it('tells failures of the storage as a whole from those of a block', () => {
    for (const code of ['QUOTA_EXCEEDED', 'CLOSED', 'ABORTED', 'LOCKED', 'CONNECTION_LOST'] as const) {
      expect(isLasting(new StorageError(code))).toBe(true)
    }
    for (const error of [new StorageError('WRITE_FAILED'), new StorageError('SHORT_READ'), new Error('x'), 'x', null]) {
      expect(isLasting(error)).toBe(false)
    }
  })
})
