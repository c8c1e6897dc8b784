import { FoundNotice } from './found-notice.ts'

/** Asks whether what the other side was about to give shall go on here without its word, and calls `take` then; the caller removes it. */
export function askToTakeOver(parent: HTMLElement, what: string, take: () => void): FoundNotice {
  const text = {
    sentence: 'Is the other side gone for good?',
    detail: `Then the ${what} can go on here without its word.`,
    choices: ['takeOver'],
  } as const
  return new FoundNotice(parent, text, take, 'What the other side left')
}
