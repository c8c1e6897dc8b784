import { describe, expect, it } from 'vitest'
import { memoryChannels } from '../../src/transports/memory.ts'
import { channelConformance } from '../conformance/channel.ts'

describe('memory', () => {
  for (const { name, run } of channelConformance(async () => memoryChannels())) it(name, run)
})

describe('memory with the smallest window and messages', () => {
  const pair = async () => memoryChannels({ windowBytes: 4096, messageBytes: 1000 })
  for (const { name, run } of channelConformance(pair, { mostBuffered: 128 * 1024 })) it(name, run)
})

it('refuses a window in which nothing could move', () => {
  expect(() => memoryChannels({ windowBytes: 100 })).toThrow(RangeError)
})
