import { errorCode } from '../../../src/errors/storage-error.ts'
import { fromBase64Url, toBase64Url } from '../../../src/transports/pairing/base64url.ts'
import { readInvitation } from '../../../src/transports/pairing/invitation.ts'
import { SECRET_BYTES } from '../../../src/transports/pairing/limits.ts'
import { manualSignalling } from '../../../src/transports/pairing/manual.ts'
import { readFromRendezvous, readToRendezvous } from '../../../src/transports/pairing/rendezvous-messages.ts'
import { decodeDescription, withoutCandidates } from '../../../src/transports/pairing/session-description.ts'
import { type FuzzTarget, must } from '../target.ts'

const ROOM = 'Zm9yIHRoZSBib2F0ISEhIQ'
const SDP =
  'v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\na=candidate:1 1 UDP 1 10.0.0.1 9 typ host\r\na=end-of-candidates\r\na=mid:0\r\n'

const texts = [
  `{"room":"${ROOM}","as":"host"}`,
  '{"message":"x"}',
  '{"state":"waiting","addresses":["http://10.0.0.1:1/","x",5]}',
  '{"state":"together"}',
  JSON.stringify({ type: 'offer', sdp: SDP }),
  JSON.stringify({ type: 'answer', sdp: SDP }),
  SDP,
  `http://host/page#ferry=${ROOM}`,
  `blockferry-${toBase64Url(new TextEncoder().encode(JSON.stringify({ type: 'offer', sdp: 'v=0' })))}`,
  'null',
  '[]',
  '"',
]

/** All texts that two sides exchange before they are connected, each read in every way. */
export const pairingTexts: FuzzTarget = {
  name: 'pairing-texts',
  seeds: texts.map((text) => new TextEncoder().encode(text)),
  words: [
    'a=candidate:',
    '\r\n',
    'a=end-of-candidates',
    '\u2028',
    '"__proto__":',
    '#ferry=',
    'blockferry-',
    'v=0',
    '{"',
    '":"',
  ].map((word) => new TextEncoder().encode(word)),
  async run(bytes) {
    const text = Buffer.from(bytes).toString()
    rendezvous(text)
    descriptions(text)
    candidates(text)
    pasted(text)
    const decoded = fromBase64Url(text)
    must(decoded === undefined || toBase64Url(decoded) === text, 'a text stands for bytes in one way')
    const invitation = text.includes('#ferry=') ? await readInvitation(text) : undefined
    if (!invitation) return
    must(invitation.secret.length === SECRET_BYTES, 'a secret is a whole one')
    must(text.endsWith(`#ferry=${toBase64Url(invitation.secret)}`), 'a secret is the one in the link')
  },
}

function rendezvous(text: string): void {
  const said = readToRendezvous(text)
  if (said?.type === 'enter') {
    must(/^[\w-]{22}$/.test(said.room) && ['host', 'guest'].includes(said.as), 'a room that exists, and a side of it')
  } else if (said) must(typeof said.message === 'string', 'a message is text')
  const heard = readFromRendezvous(text)
  if (heard?.type === 'waiting') {
    must(heard.addresses.length <= 8, 'few addresses')
    must(
      heard.addresses.every((address) => ['http:', 'https:'].includes(new URL(address).protocol)),
      'addresses of pages',
    )
  } else if (heard?.type === 'message') must(typeof heard.message === 'string', 'a message is text')
}

function descriptions(text: string): void {
  for (const expected of ['offer', 'answer'] as const) {
    const description = orMalformed(() => decodeDescription(text, expected))
    if (!description) continue
    must(description.type === expected && description.sdp?.startsWith('v=0') === true, 'a description as announced')
    candidates(description.sdp!)
  }
}

function candidates(sdp: string): void {
  const { description, candidates } = withoutCandidates({ type: 'offer', sdp })
  must(!/(^|[\r\n])a=candidate:/.test(description.sdp!), 'no candidate is left')
  must(withoutCandidates(description).candidates.length === 0, 'none is found again')
  for (const { candidate } of candidates) {
    must(candidate?.startsWith('candidate:') === true && !/[\r\n]/.test(candidate), 'a candidate is one line')
  }
}

function pasted(text: string): void {
  const signalling = manualSignalling(() => {})
  orMalformed(() => signalling.paste(text))
  signalling.close()
}

function orMalformed<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (errorCode(error) === 'MALFORMED') return undefined
    throw error
  }
}
