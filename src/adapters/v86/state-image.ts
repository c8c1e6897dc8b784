import { StorageError } from '../../errors/storage-error.ts'
import { putTogether, type SavedState } from './saved-state.ts'

const MAGIC = 0x76383673
const PAGE_BYTES = 4096
const HEAD_WORDS = 4
const PLACE_WORDS = 2

/** Parts that the first page has room for. */
const PARTS = Math.floor((PAGE_BYTES / 4 - HEAD_WORDS) / PLACE_WORDS)

/**
 * Lays the parts of a state out so that each stays where it is from one save to the next, whatever the lengths of the others: what changed is then few pages.
 *
 * ```
 *   page 0: | magic u32 | version u32 | count u32 | 0 | count × ( offset u32 | length u32 ) |      the text is the first
 *   from page 1 on: each part in a place of the next power of two of bytes, a page at least
 * ```
 * @throws StorageError `NOT_SUPPORTED` for more parts than there is room for
 */
export function layOut({ version, text, parts }: SavedState): Uint8Array {
  const all = [text, ...parts]
  if (all.length > PARTS) throw new StorageError('NOT_SUPPORTED', `The state has ${all.length} parts.`)
  const places: number[] = []
  let end = PAGE_BYTES
  for (const { length } of all) {
    places.push(end)
    end += placeBytes(length)
  }
  const image = new Uint8Array(end)
  const words = new DataView(image.buffer)
  for (const [index, value] of [MAGIC, version, all.length].entries()) words.setUint32(4 * index, value, true)
  for (const [index, part] of all.entries()) {
    const at = 4 * (HEAD_WORDS + PLACE_WORDS * index)
    words.setUint32(at, places[index]!, true)
    words.setUint32(at + 4, part.length, true)
    image.set(part, places[index]!)
  }
  return image
}

/** The state that was laid out, as the emulator had saved it. Whoever sent the image is not trusted. @throws StorageError `CORRUPT`, `NOT_SUPPORTED` */
export function pickUp(image: Uint8Array): Uint8Array {
  const words = new DataView(image.buffer, image.byteOffset, image.byteLength)
  const count = image.length < PAGE_BYTES ? 0 : words.getUint32(8, true)
  if (count < 1 || count > PARTS || words.getUint32(0, true) !== MAGIC) throw corrupt()
  let bytes = 0
  const all = Array.from({ length: count }, (_, index) => {
    const at = 4 * (HEAD_WORDS + PLACE_WORDS * index)
    const [offset, length] = [words.getUint32(at, true), words.getUint32(at + 4, true)]
    bytes += length
    // Parts that overlap would be more than was sent.
    if (offset + length > image.length || bytes > image.length) throw corrupt()
    return image.subarray(offset, offset + length)
  })
  return putTogether({ version: words.getUint32(4, true), text: all[0]!, parts: all.slice(1) })
}

function placeBytes(length: number): number {
  let bytes = PAGE_BYTES
  while (bytes < length) bytes *= 2
  return bytes
}

function corrupt(): StorageError {
  return new StorageError('CORRUPT', 'What came is not the state of a machine.')
}
