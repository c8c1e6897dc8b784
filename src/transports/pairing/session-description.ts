import { StorageError } from '../../errors/storage-error.ts'
import { MESSAGE_BYTES } from './limits.ts'

/** An offer or an answer as text, candidates included. */
export function encodeDescription({ type, sdp }: RTCSessionDescription): string {
  return JSON.stringify({ type, sdp })
}

/** Reads a description that somebody sent. @throws StorageError `MALFORMED` for anything but one of the expected type */
export function decodeDescription(text: string, expected: 'offer' | 'answer'): RTCSessionDescriptionInit {
  const { type, sdp } = text.length <= MESSAGE_BYTES ? parse(text) : {}
  if (type !== expected || typeof sdp !== 'string' || !sdp.startsWith('v=0')) {
    throw new StorageError(
      'MALFORMED',
      `The other side sent something else than ${expected === 'offer' ? 'an offer' : 'an answer'}.`,
    )
  }
  return { type: expected, sdp }
}

/** Takes the addresses out of a description, to be told to the peer at another time, by `addIceCandidate`. The rest says what is spoken, and with whom. */
export function withoutCandidates({ type, sdp = '' }: RTCSessionDescriptionInit): {
  readonly description: RTCSessionDescriptionInit
  readonly candidates: readonly RTCIceCandidateInit[]
} {
  const candidates = [...sdp.matchAll(/^a=(candidate:[^\r\n]*)/gm)].map(([, candidate]) => ({
    candidate: candidate!,
    sdpMLineIndex: 0, // Data channels are the only medium.
  }))
  return { description: { type, sdp: sdp.replaceAll(/^a=(candidate:|end-of-candidates).*\r?\n?/gm, '') }, candidates }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
