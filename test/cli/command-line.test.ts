import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ensureBuilt, project } from '../support/built-library.ts'
import { runCommand } from '../support/run-command.ts'

beforeAll(ensureBuilt, 120_000)

describe('blockferry', () => {
  it.each([
    [['copy'], /missing required argument 'from'/],
    [['copy', 'a'], /missing required argument 'to'/],
    [['copy', 'a', 'b', 'c'], /too many arguments/],
    [['ferry'], /unknown command 'ferry'/],
    [['copy', 'a', 'b', '--fast'], /unknown option '--fast'/],
    [['copy', 'a', 'b', '--block-size', '1000'], /--block-size.*a power of two.*1000/],
    [['copy', 'a', 'b', '--block-size', 'big'], /--block-size.*a power of two/],
    [['copy', 'a', 'b', '--concurrency', '0'], /--concurrency.*1 to 1024/],
    [['copy', 'memory:x', 'b'], /a size such as memory:64MiB/],
    [['copy', '', 'b'], /a path or memory:<size>/],
    [['copy', 'tcp://host:1', 'ws://host:1'], /one of the two sides must be a disk/],
    [['copy', 'a', 'tcp://host:1', '--changed'], /--changed is for disks on this machine/],
    [['serve', 'a'], /required option '--listen <url>'/],
    [['serve', 'a', '--listen', 'http://host:1'], /tcp:\/\/, tls:\/\/, ws:\/\/ or wss:\/\//],
    [['pull', 'tcp://host', 'a'], /a host and a port/],
    [['pull', 'tcp://host:1', 'a', '--nbd', '/run/socket'], /unix:<path> or tcp:<host>:<port>/],
    [['push', 'a', 'tcp://host:1', '--dialect', 'morse'], /blockferry\/1, silo/],
    [['signal'], /required option '--listen <url>'/],
    [['rehearse', 'a', '--write-rate', 'fast'], /--write-rate.*50MiB\/s/],
    [['rehearse', 'a', '--link-rate', '0'], /--link-rate.*100MiB\/s/],
    [['rehearse', 'a', '--pattern', 'spiral'], /--pattern.*zipf, uniform, sequential/],
    [['rehearse', 'a', '--seed', '-1'], /--seed.*whole number/],
    [['rehearse', 'a', '--write-size', '0'], /--write-size.*4KiB/],
  ])('%j is wrong usage: exit code 2 and one line', async (args, line) => {
    const run = await runCommand(args)
    expect(run.stderr).toMatch(line)
    expect(run.stderr).toMatch(/^blockferry: .* \(--help says more\)\n$/)
    expect(run).toMatchObject({ exitCode: 2, stdout: '' })
  })

  it('explains itself without arguments, with exit code 2', async () => {
    const run = await runCommand([])
    expect(run.stderr).toContain('Usage: blockferry')
    expect(run.exitCode).toBe(2)
  })

  it.each([['--help'], ['copy', '--help'], ['help', 'rehearse']])('explains itself for %s %s', async (...args) => {
    const run = await runCommand(args.filter((arg) => arg !== undefined))
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    expect(run.stdout).toContain('Usage: blockferry')
  })

  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
    expect(await runCommand(['--version'])).toMatchObject({ exitCode: 0, stdout: `${version}\n` })
  })
})
