import { afterAll, describe, expect, it } from 'vitest'
import { fromBase64Url, toBase64Url } from '../../../src/transports/pairing/base64url.ts'
import { broadcastSignalling } from '../../../src/transports/pairing/broadcast-channel.ts'
import { createInvitation, invitationLink, readInvitation } from '../../../src/transports/pairing/invitation.ts'
import { meet } from '../../../src/transports/pairing/meet.ts'
import { startRendezvous } from '../../../src/transports/pairing/rendezvous-server.node.ts'
import { meetAt } from '../../support/peers.ts'

const server = await startRendezvous({
  host: '127.0.0.1',
  port: 0,
  addresses: () => ['http://10.0.0.1/', 'javascript:1'],
})
const url = `ws://127.0.0.1:${server.port}/rendezvous`
afterAll(() => server.close())

describe('an invitation', () => {
  it('survives its link, and puts the secret where no server sees it', async () => {
    const invitation = await createInvitation()
    const link = invitationLink('http://host/page/?size=5#other', invitation)
    expect(link).toMatch(/^http:\/\/host\/page\/#ferry=[\w-]{22}$/)
    expect(await readInvitation(link)).toEqual(invitation)
    expect(await readInvitation(new URL(link).hash)).toEqual(invitation)
    expect(invitation.room).toMatch(/^[\w-]{22}$/)
    expect(link).not.toContain(invitation.room)
  })

  it('has the room that this secret always had', async () => {
    // printf 'blockferry room\0%s' 'sixteen bytes :)' | sha256sum | cut -c1-32 | xxd -r -p | base64
    const link = `#ferry=${toBase64Url(new TextEncoder().encode('sixteen bytes :)'))}`
    expect((await readInvitation(link))?.room).toBe('howim0elsoYa8d0-Egeg4w')
  })

  it.each(['', '#', '#ferry=', '#ferry=AAAA', `#ferry=${'A'.repeat(23)}`, '#ferry=AAAAAAAAAAAAAAAAAAAAAB', '#x=ferry'])(
    'is not read from %j',
    async (text) => expect(await readInvitation(text)).toBeUndefined(),
  )

  it('is written in letters that may stand in a link, one text for each bytes', () => {
    const bytes = Uint8Array.from([0, 255, 254, 62, 63])
    expect(toBase64Url(bytes)).toBe('AP_-Pj8')
    expect(fromBase64Url('AP_-Pj8')).toEqual(bytes)
    for (const text of ['AP_-Pj9', 'A', 'A=', 'A+', 'AP/-']) expect(fromBase64Url(text)).toBeUndefined()
  })
})

describe('tabs of one browser', () => {
  it('meet, talk, and part', async () => {
    const invitation = await createInvitation()
    const host = broadcastSignalling({ invitation, as: 'host' })
    const guest = broadcastSignalling({ invitation, as: 'guest' })
    await guest.met
    guest.send('offer')
    await host.met
    expect(await host.next()).toBe('offer')
    host.send('answer')
    expect(await guest.next()).toBe('answer')

    const second = broadcastSignalling({ invitation, as: 'guest' })
    await expect(second.met).rejects.toMatchObject({ code: 'BUSY' })
    second.close()
    host.close()
    await expect(guest.next()).rejects.toMatchObject({ code: 'PEER_LOST' })
    guest.close()
  })

  it('say when nobody waits', async () => {
    const guest = broadcastSignalling({ invitation: await createInvitation(), as: 'guest' })
    await expect(guest.met).rejects.toMatchObject({ code: 'NOT_FOUND' })
    guest.close()
  })
})

describe('several ways at once', () => {
  it('lead to one meeting, on the way the guest takes', async () => {
    const invitation = await createInvitation()
    let known: readonly string[] = []
    const rendezvous = meetAt(url, invitation, 'host', (addresses) => (known = addresses))
    const meeting = meet([broadcastSignalling({ invitation, as: 'host' }), rendezvous])
    await expect.poll(() => server.rooms).toBe(1)
    await expect.poll(() => known).toEqual(['http://10.0.0.1/'])
    const guest = await meet([broadcastSignalling({ invitation, as: 'guest' }), meetAt(url, invitation, 'guest')])
    guest.send('offer')
    const host = await meeting
    expect(await host.next()).toBe('offer')
    host.close()
    guest.close()
    await expect.poll(() => server.rooms).toBe(0)
  })

  it('end with the most telling reason', async () => {
    const invitation = await createInvitation()
    const nowhere = meetAt('ws://127.0.0.1:9/rendezvous', invitation, 'guest')
    await expect(meet([nowhere])).rejects.toMatchObject({ code: 'OPEN_FAILED' })
    const ways = [meetAt('ws://127.0.0.1:9/rendezvous', invitation, 'guest'), meetAt(url, invitation, 'guest')]
    await expect(meet(ways)).rejects.toMatchObject({ code: 'NOT_FOUND', message: /expired/ })
  })

  it('end with ABORTED when the caller gives up', async () => {
    const invitation = await createInvitation()
    const giveUp = new AbortController()
    const meeting = meet([meetAt(url, invitation, 'host')], giveUp.signal)
    giveUp.abort()
    await expect(meeting).rejects.toMatchObject({ code: 'ABORTED' })
  })
})
