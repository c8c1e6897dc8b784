import { describe, expect, it } from 'vitest'
import { gzipData, packetVectors, titleOf } from './golden-vectors.ts'
import { hex } from './hex.ts'
import { outcomeOf, outcomeWithGzip } from './outcome.ts'

const named = packetVectors.map((vector) => [titleOf(vector), hex(vector.hex)] as const)
const gzipped = packetVectors
  .filter((vector) => gzipData(vector) !== undefined)
  .map((vector) => [titleOf(vector), hex(vector.hex)] as const)

/** Packets that go to the end of the payload whatever its length, from this length on. */
const OPEN_ENDED: Record<number, number> = { 129: 5, 13: 1, 8: 1, 9: 13, 2: 10, 7: 3 }

describe('a packet cut anywhere is read or refused:', () => {
  it.each(named)('%s', (_, payload) => {
    for (let length = 0; length < payload.length; length++) {
      const outcome = outcomeOf(payload.subarray(0, length))
      const mayEnd = length >= (OPEN_ENDED[payload[0]!] ?? Number.POSITIVE_INFINITY)
      if (!mayEnd) expect(outcome, `cut to ${length}`).toBe('MALFORMED')
    }
  })

  it.each(gzipped)('%s, inflated', async (_, payload) => {
    for (let length = 10; length < payload.length; length++) {
      expect(await outcomeWithGzip(payload.subarray(0, length)), `cut to ${length}`).toMatch(/MALFORMED|LIMIT_EXCEEDED/)
    }
  })
})

describe('a packet with one byte changed is read or refused:', () => {
  it.each(named.filter(([, payload]) => payload.length <= 80))('%s', (_, original) => {
    const payload = original.slice()
    for (let at = 0; at < payload.length; at++) {
      for (let change = 1; change < 256; change++) {
        payload[at] = original[at]! ^ change
        outcomeOf(payload)
      }
      payload[at] = original[at]!
    }
  })

  it.each(gzipped)('%s, one bit at a time, inflated', async (_, original) => {
    const payload = original.slice()
    for (let at = 10; at < payload.length; at++) {
      for (let bit = 1; bit < 256; bit *= 2) {
        payload[at] = original[at]! ^ bit
        await outcomeWithGzip(payload)
      }
      payload[at] = original[at]!
    }
  })
})

describe('a byte too many', () => {
  // These end where the payload ends, by their definition.
  const closed = named.filter(
    ([title]) => !/^(read-at-response, |write-at, (data|rle|gzip)|write-at-with-map|event, custom)/.test(title),
  )
  const strict = closed.filter(([title]) => title !== 'read-at-response')

  it.each(strict)('is refused: %s', (_, payload) => {
    expect(outcomeOf(Uint8Array.of(...payload, 0))).toBe('MALFORMED')
  })
})
