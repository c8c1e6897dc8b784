import { describe, expect, it } from 'vitest'
import type { Packet } from '../../src/protocol/packets/packet.ts'
import { PendingRequests } from '../../src/protocol/pending-requests.ts'

const answer: Packet = { kind: 'flush-response' }

/** Requests whose numbers end at 6. */
function few(lastId = 0): PendingRequests {
  return new PendingRequests({ lastId, highestId: 6 })
}

describe('numbers of requests', () => {
  it('end at 2^32 - 1 and go on with 1', () => {
    const requests = new PendingRequests({ lastId: 2 ** 32 - 3 })
    expect([1, 2, 3].map(() => requests.nextId())).toEqual([2 ** 32 - 2, 2 ** 32 - 1, 1])
  })

  it('pass over those still in use after the wrap', () => {
    const requests = few()
    const opened = [1, 2, 3, 4].map(() => requests.open(1).id)
    expect(opened).toEqual([1, 2, 3, 4])
    for (const id of [1, 3]) requests.settle(1, id, answer)
    // 2 and 4 are in use, by whatever device.
    expect([5, 6, 1, 3, 5].map(() => requests.nextId())).toEqual([5, 6, 1, 3, 5])
    expect([requests.open(2).id, requests.open(2).id]).toEqual([6, 1])
    expect(requests.open(2).id).toBe(3)
  })

  it('pass over one in use right at the wrap', () => {
    const requests = few(5)
    expect(requests.open(1).id).toBe(6)
    expect(requests.open(1).id).toBe(1)
    for (const id of [2, 3, 4, 5, 2]) expect(requests.nextId()).toBe(id)
  })

  it('are used again once they are answered or given up', async () => {
    const requests = few()
    const { answer: first } = requests.open(1)
    requests.open(1)
    requests.settle(1, 1, answer)
    requests.forget(2)
    expect(await first).toBe(answer)
    expect([3, 4, 5, 6, 1, 2].map(() => requests.nextId())).toEqual([3, 4, 5, 6, 1, 2])
  })

  it('get the answer to the newer request, not that of the one before the wrap', async () => {
    const requests = few()
    requests.open(1)
    requests.forget(1)
    for (let id = 2; id <= 6; id++) requests.nextId()
    const { id, answer: again } = requests.open(1)
    expect(id).toBe(1)
    expect(requests.settle(1, 1, answer)).toBe(true)
    expect(await again).toBe(answer)
    expect(requests.settle(1, 1, answer)).toBe(false)
  })
})
