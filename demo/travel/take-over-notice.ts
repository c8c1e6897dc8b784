import { FoundNotice } from './found-notice.ts'

const TAKE = {
  take: {
    label: 'Take it over…',
    warning:
      'Only where the other side is gone for good, for instance a browser that was closed. If it goes on over there too, there are two from now on that ' +
      'differ, and nothing can make them one again.',
    really: 'Take it over without the other side',
  },
}

/** Asked whether what the other side was about to give shall go on here without its word. */
export type TakeOverNotice = FoundNotice<'take'>

/** Calls `take` when it shall; the caller removes it. */
export function askToTakeOver(parent: HTMLElement, what: string, take: () => void): TakeOverNotice {
  const text = {
    sentence: 'Is the other side gone for good?',
    detail: `Then the ${what} can go on here without its word.`,
    choices: ['take'],
  } as const
  return new FoundNotice({ parent, label: 'What the other side left', texts: TAKE }, text, take)
}
