/** The parts of a machine that move, in the order of their group. */
export const MACHINE_PARTS = ['disk', 'memory', 'state'] as const

/** One of {@link MACHINE_PARTS}. */
export type MachinePart = (typeof MACHINE_PARTS)[number]

/**
 * What the two sides say while the machine moves, in the group's messages:
 * `restore`: everything is there, make the stopped machine of it and answer when it stands ready; the source gives it away only then. `running` says that
 * the guest was not stopped by its user and is to run. `runs`: the guest runs at the destination.
 */
export type MachineWord = 'restore' | 'restore running' | 'runs'

export function encodeWord(word: MachineWord): Uint8Array {
  return new TextEncoder().encode(word)
}

/** Undefined for what a later version may say. */
export function decodeWord(message: Uint8Array): MachineWord | undefined {
  const text = new TextDecoder().decode(message)
  return text === 'restore' || text === 'restore running' || text === 'runs' ? text : undefined
}
