import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
// @ts-expect-error: plain JavaScript, since it runs before anything is installed.
import { cpio, folder, link, program } from '../../../demo/guest/cpio.mjs'

const where = mkdtempSync(join(tmpdir(), 'blockferry-cpio-'))
afterAll(() => rmSync(where, { recursive: true, force: true }))

it('writes the head of an entry as the format says, and ends at a multiple of four', () => {
  const archive: Buffer = cpio([program('init', 'hello')])
  expect(archive.subarray(0, 110).toString()).toBe(
    '070701' + // magic
      '00000001' + // inode
      '000081ed' + // a file, 0755
      '00000000' + // owner
      '00000000' + // group
      '00000001' + // links
      '00000000' + // time
      '00000005' + // bytes
      '00000000'.repeat(4) + // devices
      '00000005' + // bytes of the name and its end
      '00000000', // no checksum
  )
  expect(archive.subarray(110, 120).toString('latin1')).toBe('init\0\0hell')
  expect(archive.length % 4).toBe(0)
  expect(archive.includes('TRAILER!!!')).toBe(true)
})

it('is the same for the same entries', () => {
  const entries = () => [folder('bin'), program('bin/sh', 'x'.repeat(1001)), link('bin/ls', 'sh')]
  expect(cpio(entries()).equals(cpio(entries()))).toBe(true)
})

const reader = ['bsdtar', 'busybox'].find((tool) => {
  try {
    execFileSync(tool, ['--help'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})
if (!reader) console.warn('SKIPPED: no bsdtar and no busybox here, so no other program unpacks the archive')

it.skipIf(!reader)('is unpacked by another program, byte for byte', () => {
  const content = Buffer.from(Array.from({ length: 4097 }, (_, index) => index * 7))
  const input: Buffer = cpio([folder('bin'), program('bin/tool', content), link('bin/other', 'tool')])
  const args = reader === 'bsdtar' ? ['-xf', '-'] : ['cpio', '-id']
  execFileSync(reader!, args, { cwd: where, input, stdio: ['pipe', 'ignore', 'ignore'] })
  expect(readdirSync(join(where, 'bin')).sort()).toEqual(['other', 'tool'])
  expect(readFileSync(join(where, 'bin/tool')).equals(content)).toBe(true)
  expect(readlinkSync(join(where, 'bin/other'))).toBe('tool')
})
