import type { Channel } from '../../src/protocol/channel.ts'

/** Two connected channels. `sever` cuts the link between them as a broken cable or a killed peer would, where the suite was not told that nothing notices. */
export interface ChannelPair {
  readonly a: Channel
  readonly b: Channel
  sever?(): void
}

/** Adds a case that works on a pair of its own. */
export type AddCase = (name: string, body: (pair: ChannelPair) => Promise<void>) => void

export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error)
}

export function codeOfSend(channel: Channel): Promise<string> {
  return channel.send([new Uint8Array(1)]).then(() => 'sent', codeOf)
}
