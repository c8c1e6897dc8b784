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

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
