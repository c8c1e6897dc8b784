import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Demo, startDemo } from './visitor.ts'

const module = (path: string) => JSON.stringify(`/@fs${fileURLToPath(new URL(`../../../${path}`, import.meta.url))}`)

let demo: Demo
beforeAll(async () => {
  demo = await startDemo()
})
afterAll(() => demo?.close())

/** Has a page meet the one at the other end of the link; then again, once the connection is lost. Resolves with the places of both meetings. */
function meetTwice(page: Page, as: 'host' | 'guest', link: string): Promise<{ first: string; again: string }> {
  return page.evaluate(`(async () => {
    const { readInvitation } = await import(${module('src/transports/pairing/invitation.ts')})
    const { meetAgain, meetingAfter } = await import(${module('demo/linux/meet-again.ts')})
    const { signal } = new AbortController()
    const as = ${JSON.stringify(as)}
    const invitation = await readInvitation(${JSON.stringify(link)})
    const { connection, pullThePlug } = await meetAgain({ meeting: invitation, as, signal })
    const meeting = await meetingAfter(invitation, connection)
    if (as === 'guest') pullThePlug()
    await connection.rw.ended
    const again = await meetAgain({ meeting, as, signal })
    const text = (session) => [...session].join()
    return { first: text(connection.session), again: text(again.connection.session) }
  })()`) as Promise<{ first: string; again: string }>
}

it('two pages whose machine is in doubt find each other again after their connection was lost', async () => {
  const link = `#ferry=${'A'.repeat(22)}`
  const [host, guest] = [await demo.visit(), await demo.visit()]
  const [there, here] = await Promise.all([meetTwice(host, 'host', link), meetTwice(guest, 'guest', link)])
  expect(here).toEqual(there)
  expect(here.again).not.toBe(here.first)
  expect(demo.complaints).toEqual([])
})
