import { afterEach, beforeAll, expect, it } from 'vitest'
import { createInvitation } from '../../src/transports/pairing/invitation.ts'
import { ensureBuilt } from '../support/built-library.ts'
import { MovingCommands } from '../support/moving-commands.ts'
import { meetAt } from '../support/peers.ts'

beforeAll(ensureBuilt, 120_000)
const commands = new MovingCommands()
afterEach(() => commands.end())

it('signal lets a host and a guest meet until it is interrupted, which is its end in order', async () => {
  const command = commands.start(['signal', '--listen', 'ws://127.0.0.1:0'])
  const url = String((await command.event('result')).url)
  const invitation = await createInvitation()
  let opened = () => {}
  const isOpen = new Promise<void>((resolve) => {
    opened = resolve
  })
  const host = meetAt(url, invitation, 'host', () => opened())
  await isOpen
  const guest = meetAt(url, invitation, 'guest')
  await guest.met
  guest.send('offer')
  await host.met
  expect(await host.next()).toBe('offer')
  host.send('answer')
  expect(await guest.next()).toBe('answer')
  command.kill('SIGINT')
  await expect(guest.next()).rejects.toMatchObject({ code: 'OPEN_FAILED' })
  expect(await command.ended).toBe(0)
  expect(command.stderr).toBe('')
  expect(command.events).toHaveLength(1)
})
