/** A stranger's name of a disk, made fit for a terminal and to be asked for: without controls of terminals, writing directions and lines. */
export function strangerName(name: string): string {
  return name.replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '?') || 'disk'
}
