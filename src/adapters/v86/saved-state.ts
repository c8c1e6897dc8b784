import { StorageError } from '../../errors/storage-error.ts'
import type { V86Cpu, V86Machine } from './machine.ts'

/** What the emulator begins a saved state with. */
const MAGIC = -2039052682
const HEADER_BYTES = 16

/** A state that the emulator has saved, in its parts; views of it. */
export interface SavedState {
  /** Of the emulator's format. */
  readonly version: number
  /** The tree of plain values, as text, and the parts it names by number. */
  readonly text: Uint8Array
  readonly parts: readonly Uint8Array[]
  /** That tree. */
  readonly tree: readonly unknown[]
}

/** The state of the machine but for its memory, whose place in it is empty. @throws StorageError `NOT_SUPPORTED` */
export async function saveWithoutMemory(machine: V86Machine, cpu: V86Cpu): Promise<Uint8Array> {
  const packed = { packed_memory: new Uint8Array(0), bitmap: { get_buffer: () => new ArrayBuffer(0) } }
  return withMethod(
    cpu,
    'pack_memory',
    () => packed,
    async () => new Uint8Array(await machine.save_state()),
  )
}

/** Puts such a state back, and leaves the memory as it is. Code caches and the like are made anew by the emulator. @throws StorageError `NOT_SUPPORTED`, what the emulator throws */
export async function restoreWithoutMemory(machine: V86Machine, cpu: V86Cpu, state: Uint8Array): Promise<void> {
  // The emulator looks at the whole buffer.
  const { buffer } = state.slice()
  await withMethod(
    cpu,
    'unpack_memory',
    () => {},
    () => machine.restore_state(buffer),
  )
}

/**
 * Takes a saved state apart.
 *
 * ```
 *   | magic i32 | version i32 | bytes of all i32 | bytes of text i32 | text: JSON | to a multiple of 4 | parts, each at a multiple of 4 |
 *   JSON: { "buffer_infos": [{ "offset": from the first part, "length" }, …], "state": [ … ] }
 * ```
 * @throws StorageError `NOT_SUPPORTED` when the emulator's format is another
 */
export function takeApart(state: Uint8Array): SavedState {
  if (state.length < HEADER_BYTES) throw unknownFormat()
  const header = new DataView(state.buffer, state.byteOffset, HEADER_BYTES)
  const [magic, version, length, textLength] = [0, 4, 8, 12].map((at) => header.getInt32(at, true)) as [
    number,
    number,
    number,
    number,
  ]
  if (magic !== MAGIC || length !== state.length || textLength < 2 || textLength > length - HEADER_BYTES) {
    throw unknownFormat()
  }
  const text = state.subarray(HEADER_BYTES, HEADER_BYTES + textLength)
  const { infos, tree } = parse(text)
  const start = partsStart(textLength)
  const parts = infos.map(({ offset, length }) => state.subarray(start + offset, start + offset + length))
  return { version, text, parts, tree }
}

/** As the emulator saved it: its parts one behind another, so that whoever wrote the text decides about no more than they are long. @throws StorageError `NOT_SUPPORTED` */
export function putTogether({ version, text, parts }: Pick<SavedState, 'version' | 'text' | 'parts'>): Uint8Array {
  const { infos } = parse(text)
  if (infos.length !== parts.length) throw unknownFormat()
  const start = partsStart(text.length)
  let bytes = 0
  for (const [index, { offset, length }] of infos.entries()) {
    if (offset !== bytes || length !== parts[index]!.length) throw unknownFormat()
    bytes = (offset + length + 3) & ~3
  }
  const state = new Uint8Array(start + bytes)
  const header = new DataView(state.buffer)
  for (const [index, value] of [MAGIC, version, state.length, text.length].entries())
    header.setInt32(4 * index, value, true)
  state.set(text, HEADER_BYTES)
  for (const [index, part] of parts.entries()) state.set(part, start + infos[index]!.offset)
  return state
}

function partsStart(textLength: number): number {
  return (HEADER_BYTES + textLength + 3) & ~3
}

function parse(text: Uint8Array): { infos: readonly { offset: number; length: number }[]; tree: readonly unknown[] } {
  try {
    const { buffer_infos: infos, state: tree } = JSON.parse(new TextDecoder().decode(text))
    if (Array.isArray(infos) && Array.isArray(tree) && infos.every(isPlace)) return { infos, tree }
  } catch {
    // Told below.
  }
  throw unknownFormat()
}

function isPlace(info: unknown): info is { offset: number; length: number } {
  const { offset, length } = info as { offset?: unknown; length?: unknown }
  return Number.isSafeInteger(offset) && Number.isSafeInteger(length) && Number(offset) >= 0 && Number(length) >= 0
}

/** Works with another method in the place of one of the emulator's; its state is saved and put back within one turn. */
async function withMethod<Name extends 'pack_memory' | 'unpack_memory', Result>(
  cpu: V86Cpu,
  name: Name,
  method: V86Cpu[Name],
  work: () => Promise<Result>,
): Promise<Result> {
  if (typeof cpu[name] !== 'function') {
    throw new StorageError(
      'NOT_SUPPORTED',
      'This build of the emulator hides how it saves its memory; use that of the npm package.',
    )
  }
  // An own property in front of that of the class.
  const own = cpu as { [Key in Name]?: V86Cpu[Name] }
  own[name] = method
  try {
    return await work()
  } finally {
    delete own[name]
  }
}

function unknownFormat(): StorageError {
  return new StorageError('NOT_SUPPORTED', 'The emulator saves its state in another form than this version knows.')
}
