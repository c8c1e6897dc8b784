import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { ensureBuilt } from '../support/built-library.ts'
import { noise } from '../support/disk-images.ts'
import { idleStrangers } from '../support/idle-strangers.ts'
import { MovingCommands } from '../support/moving-commands.ts'

let folder: string
beforeAll(async () => {
  await ensureBuilt()
  folder = await mkdtemp(join(tmpdir(), 'blockferry-strangers-'))
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

const commands = new MovingCommands()
afterEach(() => commands.end())

it.each(['tcp', 'ws'])('strangers who sit at a serve over %s and say nothing keep nobody out', async (scheme) => {
  const [source, destination] = [join(folder, scheme), join(folder, `${scheme}.moved`)]
  await writeFile(source, noise(2 ** 20, 1))
  const secret = { BLOCKFERRY_SECRET: 'a secret for this one test' }
  const serve = commands.start(['serve', source, '--listen', `${scheme}://127.0.0.1:0`], secret)
  const url = String((await serve.event('listening')).url)
  // More than there is room for.
  const strangers = await idleStrangers(Number(new URL(url).port), 100)
  try {
    const pull = commands.start(['pull', url, destination, '--retry', '10'], secret)
    expect(await pull.ended).toBe(0)
    expect(await serve.ended).toBe(0)
    expect(serve.stderr).toBe('')
  } finally {
    strangers.close()
  }
  expect(strangers.cuts).toBeGreaterThan(0)
  expect((await readFile(destination)).equals(await readFile(source))).toBe(true)
})
