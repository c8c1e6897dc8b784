import type { Connection } from '../../../src/protocol/connection.ts'
import type { Link } from '../link.ts'
import { demand } from '../world.ts'

/** Beside what a link buffers, a sender may be ahead by one batch and one large frame, and what is urgent. */
const AHEAD_BYTES = 4096 + 32_768 + 8192

/** From here on, data that is not answered yet must fit into the window, unless it is one request that is larger. To be called after each step. */
export function watchWindow({ rw }: Connection, windowBytes: number): () => void {
  const request = rw.request.bind(rw)
  const unanswered = new Set<{ readonly bytes: number }>()
  rw.request = async (dev, packet, options = {}) => {
    if (options.urgent) return request(dev, packet, options)
    const own = { bytes: 'data' in packet ? packet.data.length : 0 }
    const departs = (waited: boolean) => {
      options.departs?.(waited)
      unanswered.add(own)
    }
    try {
      return await request(dev, packet, { ...options, departs })
    } finally {
      unanswered.delete(own)
    }
  }
  return () => {
    let [sum, largest] = [0, 0]
    for (const { bytes } of unanswered) {
      sum += bytes
      largest = Math.max(largest, bytes)
    }
    const isBound = sum <= Math.max(windowBytes, largest)
    demand('bounds hold', isBound, `${sum} bytes are unanswered, the window has ${windowBytes}.`)
  }
}

/** Nobody may have been much further ahead than the link's buffer. */
export function checkLink(link: Link, bufferBytes: number): void {
  for (const { name, mostBytes } of [...link.near, ...link.far]) {
    const isBound = mostBytes <= bufferBytes + AHEAD_BYTES
    demand('bounds hold', isBound, `${name} had ${mostBytes} bytes on their way, the buffer holds ${bufferBytes}.`)
  }
}
