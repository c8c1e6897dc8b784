import { type Clock, systemClock } from '../../src/async/clock.ts'
import type { Channel } from '../../src/protocol/channel.ts'

/** Bytes a link may be late by and still catch up, in milliseconds: timers are this coarse under load. */
const CATCH_UP_MS = 20

/** A channel that sends no faster than so many bytes a second, so that a visitor can watch; a crossing in a blink shows nothing. */
export function pacedChannel(channel: Channel, bytesPerSecond: number, clock: Clock = systemClock): Channel {
  if (bytesPerSecond === 0) return channel
  let freeAt = 0
  return {
    ...channel,
    send: async (parts) => {
      const bytes = parts.reduce((sum, part) => sum + part.length, 0)
      const now = clock.now()
      freeAt = Math.max(freeAt, now - CATCH_UP_MS) + (bytes / bytesPerSecond) * 1000
      await channel.send(parts)
      const wait = freeAt - clock.now()
      if (wait > 1) await clock.sleep(wait)
    },
  }
}

/** A channel that tells how many bytes it sends. */
export function countedChannel(channel: Channel, sent: (bytes: number) => void): Channel {
  return {
    ...channel,
    send: (parts) => {
      sent(parts.reduce((sum, part) => sum + part.length, 0))
      return channel.send(parts)
    },
  }
}
