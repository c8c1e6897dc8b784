import { errorCode } from '../../../src/errors/storage-error.ts'
import { encodeFrame, type Frame, GUARD_MARK } from '../../../src/protocol/frame.ts'
import { FrameDecoder } from '../../../src/protocol/frame-decoder.ts'
import { GATHERED_FRAMES_BYTES } from '../../../src/protocol/limits.ts'
import { PayloadPool } from '../../../src/protocol/payload-pool.ts'
import { hex } from '../../protocol/packets/hex.ts'
import conversation from '../../vectors/conversation.json' with { type: 'json' }
import { allocatedBy } from '../allocation.ts'
import { readCuts, withCuts } from '../cuts.ts'
import { type FuzzTarget, join, must, mustEqual } from '../target.ts'

/** The largest payload agreed: above what is read in place. */
const LIMIT = 3 * GATHERED_FRAMES_BYTES

/** Bytes around a payload: the next header, and what the decoder does to have data begin where it is copied fast. */
const FRAME_COST = 256

/** What came of a stream: the frames, and how it ended. */
interface Course {
  readonly frames: Frame[]
  readonly end: string
}

/** The decoder of frames: the same whole, in any slices, and read to where it wants the bytes. */
export const frames: FuzzTarget = {
  name: 'frames',
  seeds: [
    ...conversation.frames.map(({ frame }) => withCuts([1], hex(frame))),
    withCuts([7, 255, 12], join(conversation.frames.slice(0, 12).map(({ frame }) => hex(frame)))),
    withCuts([12, 200], frame(GATHERED_FRAMES_BYTES)),
    withCuts([255], join([frame(3), frame(GATHERED_FRAMES_BYTES + 1), frame(1)])),
    withCuts([3], frame(LIMIT + 1).subarray(0, 40)),
    withCuts([5, 20], join([frame(2), GUARD_MARK, guarded(1), guarded(200)])),
    withCuts([250], join([GUARD_MARK, guarded(GATHERED_FRAMES_BYTES + 1), guarded(3)])),
  ],
  words: [0, 1, LIMIT, LIMIT + 1, 0xffffffff].map((length) => new Uint8Array(Uint32Array.of(length).buffer)),
  run(bytes) {
    const { stream, slices } = readCuts(bytes)
    const expected = pushed([stream], decoderOf())
    let cut: Course | undefined
    const held = allocatedBy(() => {
      cut = pushed(slices, decoderOf())
    })
    const most = stream.length + LIMIT + FRAME_COST * (expected.frames.length + 1)
    must(held <= most, `${stream.length} bytes of frames do not make the decoder allocate ${held}`)
    mustAgree(cut!, expected, 'in slices')
    mustAgree(pushed(slices, decoderOf(new PayloadPool())), expected, 'with a pool')
    mustAgree(filled(slices), expected, 'read to its room')
  },
}

function decoderOf(pool?: PayloadPool): FrameDecoder {
  return new FrameDecoder(LIMIT, pool, { takesMark: true })
}

function guarded(length: number): Uint8Array {
  return join(encodeFrame({ dev: 1, id: 2 }, { head: new Uint8Array(length).fill(2), data: undefined }, true))
}

function frame(length: number): Uint8Array {
  return join([new Uint8Array(Uint32Array.of(1, 2, length).buffer), new Uint8Array(length).fill(length)])
}

function pushed(slices: readonly Uint8Array[], decoder: FrameDecoder): Course {
  return course(decoder, (onFrame) => {
    for (const slice of slices) decoder.push(slice, onFrame)
  })
}

/** Each slice goes where the decoder wants it, in parts where there is less room. */
function filled(slices: readonly Uint8Array[]): Course {
  const decoder = decoderOf()
  return course(decoder, (onFrame) => {
    for (const slice of slices) {
      for (let at = 0; at < slice.length; ) {
        const room = decoder.room()
        must(room.length > 0, 'there is room')
        const part = slice.subarray(at, at + room.length)
        room.set(part)
        decoder.filled(part.length, onFrame)
        at += part.length
      }
    }
  })
}

function course(decoder: FrameDecoder, read: (onFrame: (frame: Frame) => void) => void): Course {
  const frames: Frame[] = []
  try {
    read((frame) => frames.push(frame))
  } catch (error) {
    const code = errorCode(error)
    if (code !== 'MALFORMED' && code !== 'LIMIT_EXCEEDED') throw error
    return { frames, end: `${code} ${decoder.state}` }
  }
  try {
    decoder.end()
    return { frames, end: 'whole' }
  } catch (error) {
    must(errorCode(error) !== undefined, `a stream that is cut is told by a code: ${String(error)}`)
    return { frames, end: `cut within the ${decoder.state}` }
  }
}

function mustAgree(actual: Course, expected: Course, how: string): void {
  must(actual.end === expected.end, `${how}: ends with ${actual.end}, not ${expected.end}`)
  must(actual.frames.length === expected.frames.length, `${how}: as many frames`)
  for (const [index, { dev, id, payload }] of expected.frames.entries()) {
    const other = actual.frames[index]!
    must(other.dev === dev && other.id === id, `${how}: frame ${index} for the same device and request`)
    mustEqual(other.payload, payload, `${how}: payload ${index}`)
  }
}
