import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ensureBuilt } from '../support/built-library.ts'
import { noise } from '../support/disk-images.ts'
import { bytesHere, MovingCommands } from '../support/moving-commands.ts'
import { runCommand } from '../support/run-command.ts'
import { selfSigned } from '../transports/self-signed.ts'

const MiB = 2 ** 20
let folder: string
let files = 0
const newPath = () => join(folder, `disk-${files++}`)

beforeAll(async () => {
  await ensureBuilt()
  folder = await mkdtemp(join(tmpdir(), 'blockferry-push-'))
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

const commands = new MovingCommands()
afterEach(() => commands.end())

async function disk(size: number): Promise<string> {
  const path = newPath()
  await writeFile(path, noise(size, files))
  return path
}

const expectSame = (first: string, second: string) => execFileSync('cmp', [first, second])

/** A destination that waits to be pushed to. */
async function waitingPull(scheme: string) {
  const destination = newPath()
  const pull = commands.start(['pull', '--listen', `${scheme}://127.0.0.1:0`, destination])
  return { pull, destination, url: String((await pull.event('listening')).url) }
}

describe('push', () => {
  it('moves a disk to a pull that waits for it, past strangers who do not know the secret', async () => {
    const source = await disk(2 * MiB + 100)
    const environment = { BLOCKFERRY_SECRET: 'a secret for this one test' }
    const pull = commands.start(['pull', '--listen', 'ws://127.0.0.1:0', `${source}.moved`], environment)
    const url = String((await pull.event('listening')).url)
    const stranger = await runCommand(['push', source, url])
    expect(stranger).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/\[UNAUTHORIZED\]\n$/) })
    const push = commands.start(['push', source, url, '--name', 'the disk'], environment)
    expect(await push.ended).toBe(0)
    expect(await pull.ended).toBe(0)
    expect(push.last).toMatchObject({ event: 'result', command: 'push', name: 'the disk', verified: true })
    expect(pull.last).toMatchObject({ event: 'result', name: 'the disk', root: push.last!.root })
    expect(await pull.event('refused')).toMatchObject({ code: 'UNAUTHORIZED' })
    expectSame(source, `${source}.moved`)
  })

  it('keeps the disk when nobody waits for it', async () => {
    const run = await runCommand(['push', await disk(1000), 'tcp://127.0.0.1:1'])
    expect(run.stderr).toMatch(/^blockferry: No connection to 127\.0\.0\.1 port 1\..*\[OPEN_FAILED\]\n$/)
    expect(run.exitCode).toBe(1)
  })
})

describe('copy over a connection', () => {
  it.each(['tcp', 'ws'])('over %s takes from a serve and gives to a pull that waits', async (scheme) => {
    const source = await disk(MiB + 7)
    await chmod(source, 0o400)
    const { serve, url } = await commands.serve(source, [], `${scheme}://127.0.0.1:0`)
    const [first, second] = [newPath(), await waitingPull(scheme)]
    expect(await runCommand(['copy', url, first])).toMatchObject({ exitCode: 0 })
    expect(await serve.ended).toBe(0)
    expect(await runCommand(['copy', first, second.url])).toMatchObject({ exitCode: 0 })
    expect(await second.pull.ended).toBe(0)
    expectSame(source, first)
    expectSame(source, second.destination)
  })
})

describe('a move that does not come to its end', () => {
  it('is refused, and told to nobody as done, when the destination exists', async () => {
    const [source, existing] = [await disk(MiB), await disk(100)]
    const before = await readFile(existing)
    const { serve, url } = await commands.serve(source)
    const pull = await runCommand(['pull', url, existing])
    expect(pull).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/exists.*--force.*\[OPEN_FAILED\]\n$/) })
    expect((await readFile(existing)).equals(before)).toBe(true)
    // Nobody was called for that.
    expect(serve.events.some(({ event }) => event === 'pull')).toBe(false)
    expect(await runCommand(['pull', url, existing, '--force'])).toMatchObject({ exitCode: 0 })
    expect(await serve.ended).toBe(0)
    expectSame(source, existing)
  })

  it('is interrupted at the destination: the source goes on until it is interrupted too, and keeps the disk', async () => {
    const source = await disk(16 * MiB)
    const { serve, url } = await commands.serve(source)
    const slow = await commands.slowed(url, 2 * MiB)
    const pull = commands.start(['pull', slow.url, newPath()])
    await pull.until(() => bytesHere(pull) > 0)
    pull.kill('SIGINT')
    expect(await pull.ended).toBe(1)
    expect(pull.stderr).toMatch(/^blockferry: cancelled; ".*" is incomplete: go on with pull --resume.* \[ABORTED\]\n$/)
    await serve.event('pull-failed')
    const again = commands.start(['pull', slow.url, newPath()])
    await again.until(() => bytesHere(again) > 0)
    serve.kill('SIGINT')
    expect(await serve.ended).toBe(1)
    expect(serve.stderr).toMatch(/^blockferry: .*the disk stays here \[ABORTED\]\n$/)
    expect(await again.ended).toBe(1)
    expect(again.stderr).toMatch(/^blockferry: .*is incomplete: .* \[(ABORTED|PEER_LOST)\]\n$/)
  })

  it('ends a pull that waits in vain when it is interrupted', async () => {
    const { pull } = await waitingPull('tcp')
    pull.kill('SIGTERM')
    expect(await pull.ended).toBe(1)
    expect(pull.stderr).toMatch(/^blockferry: .*interrupted.*\[ABORTED\]\n$/)
  })
})

const certificate = selfSigned()
describe.skipIf(!certificate)('a move inside TLS', () => {
  it.each(['tls', 'wss'])('over %s needs a certificate that the caller trusts', async (scheme) => {
    const [source, cert, key] = [await disk(MiB), newPath(), newPath()]
    await writeFile(cert, certificate!.cert)
    await writeFile(key, certificate!.key)
    const files = ['--tls-cert', cert, '--tls-key', key]
    const { serve, url } = await commands.serve(source, files, `${scheme}://127.0.0.1:0`)
    expect(await runCommand(['pull', url, newPath()])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^blockferry: No .*\[OPEN_FAILED\]\n$/),
    })
    const destination = newPath()
    expect(await runCommand(['pull', url, destination, '--tls-ca', cert])).toMatchObject({ exitCode: 0 })
    expect(await serve.ended).toBe(0)
    expectSame(source, destination)
  })
})

describe('wrong usage', () => {
  it('is a secret that is too short, a file of it that is missing, or one where none is known', async () => {
    const short = newPath()
    await writeFile(short, 'fifteen bytes..\n')
    // One disk is served once at a time.
    const serve = async (...args: string[]) =>
      runCommand(['serve', await disk(1000), '--listen', 'tcp://127.0.0.1:0', '--secret-file', ...args])
    const [tooShort, missing, unknown] = await Promise.all([
      serve(short),
      serve(newPath()),
      serve(short, '--dialect', 'silo'),
    ])
    expect(tooShort).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/at least 16 bytes, got 15 bytes/) })
    expect(tooShort.stderr).not.toContain('fifteen')
    expect(missing).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/secret file.*\[NOT_FOUND\]\n$/) })
    expect(unknown).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/--secret-file.*silo, which knows no secrets/),
    })
  })

  it('is a secret of the environment where none is known, on either side', async () => {
    const environment = { BLOCKFERRY_SECRET: 'a secret for this one test' }
    const args = [
      ['serve', await disk(1000), '--listen', 'tcp://127.0.0.1:0'],
      ['pull', 'tcp://127.0.0.1:1', newPath()],
    ]
    for (const command of args.map((each) => commands.start([...each, '--dialect', 'silo'], environment))) {
      expect(await command.ended).toBe(2)
      expect(command.stderr).toMatch(/^blockferry: "BLOCKFERRY_SECRET" .*silo, which knows no secrets.*\n$/)
    }
  })

  it('is a certificate where none is needed, or none where one is', async () => {
    const source = await disk(1000)
    const wrong = [
      ['--listen', 'tls://127.0.0.1:0'],
      ['--listen', 'tls://127.0.0.1:0', '--tls-cert', source],
      ['--listen', 'tcp://127.0.0.1:0', '--tls-cert', source, '--tls-key', source],
    ]
    // One disk is served once at a time.
    const runs = wrong.map(async (args) => runCommand(['serve', await disk(1000), ...args]))
    for (const run of await Promise.all(runs)) {
      expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/--tls-cert.*\[INVALID_ARGUMENT\]\n$/) })
    }
  })

  it('is warned of loudly where strangers may come in', async () => {
    // A spelling of the loopback address that is not known to be one.
    const { serve } = await commands.serve(await disk(1000), ['--nbd', 'tcp:127.1:0'], 'tcp://127.1:0')
    serve.kill('SIGINT')
    expect(await serve.ended).toBe(1)
    expect(serve.stderr).toMatch(/^WARNING: .*127\.1.*NBD.*\nWARNING: .*127\.1.*--secret-file\n/)
    expect(serve.events.filter(({ event }) => event === 'warning')).toHaveLength(2)
  })
})
