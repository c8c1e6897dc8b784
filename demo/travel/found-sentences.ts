import { formatBytes } from '../format.ts'
import type { End, Finding } from './travel-disks.ts'

/** What a visitor can do with what an earlier page left. */
export type Choice = 'resume' | 'giveUp' | 'offer' | 'use' | 'remove' | 'discard' | 'forsake' | 'takeOver' | 'takeBack'

/** What a choice is called, and what must be said before it is taken. */
export interface ChoiceText {
  readonly label: string
  /** What it costs, where it cannot be undone; then it is asked once more, by this name. */
  readonly warning?: string
  readonly really?: string
}

/** What was found, and what can be done. The first choice is the one to be expected. */
export interface FoundText<Name extends string = Choice> {
  readonly sentence: string
  readonly detail: string
  readonly choices: readonly Name[]
}

const TWO_COPIES =
  'Only where the other side is gone for good, for instance a browser that was deleted. If it lives and has the disk too, there are two disks from now on ' +
  'that differ, and nothing can make them one again: when the two meet, both stop. That it was done is recorded with the disk.'

/** By choice. */
export const CHOICES: Readonly<Record<Choice, ChoiceText>> = {
  resume: { label: 'Resume' },
  giveUp: { label: 'Discard' },
  offer: { label: 'Offer it' },
  use: { label: 'Use it here' },
  remove: {
    label: 'Delete the disk',
    warning: 'The disk is deleted from this browser, and nobody else has it as it is now.',
    really: 'Delete it',
  },
  discard: { label: 'Discard' },
  forsake: {
    label: 'Discard…',
    warning:
      'If the other side gave the disk away before it was lost, this is the only copy there is. Only that side can tell.',
    really: 'Discard it all the same',
  },
  takeOver: { label: 'Take it over…', warning: TWO_COPIES, really: 'Take it over without the other side' },
  takeBack: { label: 'Take it back…', warning: TWO_COPIES, really: 'Take it back without the other side' },
}

/**
 * Says what an earlier page left at one end, from what its journal says; undefined: nothing of it was ever on its way. `isInvited`: the page was
 * opened by a link to a disk, which waits until this is decided.
 */
export function found(end: End, finding: Finding | undefined, size: number, isInvited = false): FoundText {
  const bytes = formatBytes(finding?.size ?? size)
  if (end === 'departure') return finding ? foundAtSource(finding, bytes) : unmoved(bytes)
  const text = foundAtDestination(finding, bytes)
  return isInvited && finding?.state === 'owner' ? { ...text, detail: `${text.detail} ${IN_THE_WAY}` } : text
}

const IN_THE_WAY =
  'A page keeps one disk at a time: the one that your link offers can come here once this one is deleted, or to another browser at once.'

function foundAtSource({ state, isUnderWay, forced, share }: Finding, bytes: string): FoundText {
  if (state === 'released') {
    return {
      sentence: `This page gave a disk of ${bytes} away, and the other side has not said yet that it has it.`,
      detail: 'It has all of it, and waits for the last word: Resume says that. The copy here is not written any more.',
      choices: ['resume', 'takeBack'],
    }
  }
  if (state === 'gone') {
    return {
      sentence: `A disk of ${bytes} was given away from here: it belongs to the other side.`,
      detail: 'What is here is an old copy. It is not written any more, and can be deleted.',
      choices: ['discard', 'takeBack'],
    }
  }
  if (isUnderWay) {
    return {
      sentence: `A move of a ${bytes} disk was interrupted at ${percent(share)}.`,
      detail:
        'The disk is yours, whole and as it was. Resume goes on from there; Discard ends the move, and the disk stays here.',
      choices: ['resume', 'giveUp'],
    }
  }
  return forced
    ? { ...unmoved(bytes), detail: 'You took it back without the word of the other side; that is recorded with it.' }
    : unmoved(bytes)
}

function unmoved(bytes: string): FoundText {
  return {
    sentence: `A disk of ${bytes} that was filled here earlier is still here.`,
    detail: 'It is yours, and nothing is on its way.',
    choices: ['offer', 'remove'],
  }
}

function foundAtDestination(finding: Finding | undefined, bytes: string): FoundText {
  if (finding?.state === 'owner') {
    return {
      sentence: `A disk of ${bytes} that came here earlier is yours.`,
      detail: finding.forced
        ? 'You took it over without the word of the other side; that is recorded with it.'
        : 'The other side gave it away; this is the only copy that is written.',
      choices: ['use', 'remove'],
    }
  }
  if (finding?.state === 'prepared') {
    return {
      sentence: `A disk of ${bytes} was all here when the last word was missing.`,
      detail:
        'Whether the other side gave it away only the other side can tell: Resume asks it. Until then nothing is written here.',
      choices: ['resume', 'takeOver', 'forsake'],
    }
  }
  return {
    sentence: `A move of a ${bytes} disk to this page was interrupted at ${percent(finding?.share ?? 0)}.`,
    detail: 'The disk still belongs to the other side. Resume goes on from there; Discard frees the place here.',
    choices: ['resume', 'discard'],
  }
}

/** Down, so that nothing looks finished that is not. */
export function percent(share: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, share)) * 100)} %`
}
