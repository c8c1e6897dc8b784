import type { Page, WebSocketRoute } from 'playwright'
import { Mailbox, type Signalling } from '../../../src/transports/pairing/signalling.ts'

/** A rendezvous in the hands of a test: what the page says comes here, and what is sent here is what the page hears. */
export async function takeRendezvousOf(page: Page): Promise<Signalling> {
  const mailbox = new Mailbox()
  let socket: WebSocketRoute | undefined
  await page.routeWebSocket('**/rendezvous', (route) => {
    socket = route
    route.onMessage((text) => {
      const said = JSON.parse(String(text)) as { as?: string; message?: string }
      if (said.as === 'host') route.send('{"state":"waiting","addresses":[]}')
      else if (said.as === 'guest') route.send('{"state":"together"}')
      else if (said.message !== undefined) {
        mailbox.put(said.message)
        mailbox.meet()
      }
    })
  })
  // Only sockets of pages loaded from now on come this way.
  await page.reload()
  await page.locator('#space').filter({ hasText: 'Needs' }).waitFor()
  return {
    met: mailbox.met,
    next: () => mailbox.next(),
    send: (message) => socket?.send(JSON.stringify({ message })),
    close: () => mailbox.end(),
  }
}
