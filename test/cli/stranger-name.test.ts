import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest'
import { strangerName } from '../../src/cli/stranger-name.ts'
import { ensureBuilt } from '../support/built-library.ts'
import { MovingCommands } from '../support/moving-commands.ts'

describe('the name of a disk that a stranger offers', () => {
  it.each([
    ['that clears the screen', '\u001b[2Jdisk', '?[2Jdisk'],
    ['with a control of eight bits', '\u009b31mdisk', '?31mdisk'],
    ['of several lines', 'a\r\nb\u2028c\u0085d', 'a??b?c?d'],
    ['that turns the direction of writing', '\u202eksid\u200b', '?ksid?'],
    ['of half a character', '\ud800disk', '?disk'],
    ['of nothing', '', 'disk'],
    ['of letters, marks and signs of any language', 'Größe – ディスク 1 (é) 💾', 'Größe – ディスク 1 (é) 💾'],
  ])('%s is harmless', (_, name, shown) => {
    expect(strangerName(name)).toBe(shown)
  })
})

let folder: string
beforeAll(async () => {
  await ensureBuilt()
  folder = await mkdtemp(join(tmpdir(), 'blockferry-names-'))
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

const commands = new MovingCommands()
afterEach(() => commands.end())

test('a pull shows no controls of the name that it is offered', async () => {
  const source = join(folder, 'the \u009b31m\u202edisk')
  await writeFile(source, new Uint8Array(65536).fill(1))
  const { serve, url } = await commands.serve(source)
  const pull = commands.start(['pull', url, join(folder, 'moved')])
  expect(await pull.ended).toBe(0)
  expect(await serve.ended).toBe(0)
  expect(pull.last).toMatchObject({ event: 'result', name: 'the ?31m?disk' })
  expect(await pull.event('arriving')).toMatchObject({ name: 'the ?31m?disk' })
})
