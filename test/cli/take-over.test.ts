import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { own } from '../../src/cli/commands/own.ts'
import { JournalBeside } from '../../src/cli/journal-beside.ts'
import type { Output } from '../../src/cli/output.ts'
import { commit, prepare, receive } from '../../src/migration/journal/ownership.ts'

const BLOCK = 4096
const SIZE = 4 * BLOCK
const NOTHING = () => {}
const output: Output = {
  ...{ progress: NOTHING, note: NOTHING, warn: NOTHING, event: NOTHING },
  ...{ result: NOTHING, failure: NOTHING, close: NOTHING },
}
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blockferry-take-over-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A disk that was handed over before its blocks had moved: of these it knows the digests they had then. */
async function halfMoved(blocks: readonly number[]): Promise<string> {
  const path = join(folder, 'disk')
  await writeFile(path, new Uint8Array(SIZE).fill(1))
  const beside = await JournalBeside.open(path, { size: SIZE, blockSize: BLOCK })
  const { journal } = beside
  const disk = { diskId: 'd'.repeat(32), size: SIZE, blockSize: BLOCK }
  const receiving = receive(undefined, disk, 1, { id: '1'.repeat(32), key: 'c'.repeat(32) })
  await journal.become(commit(prepare(receiving, { missing: true })))
  for (const block of blocks) journal.digests.note(block, new Uint8Array(BLOCK).fill(2))
  await journal.checkpoint({ flush: async () => {} })
  await beside.close()
  return path
}

test('a disk that is taken over though blocks never came claims no digest of the hand-over for what was written since', async () => {
  const path = await halfMoved([0, 1])
  await own({ disk: { kind: 'file', path }, takeOver: true, yes: true, force: true }, output)
  const beside = await JournalBeside.open(path, { size: SIZE, blockSize: BLOCK })
  const { ownership, digests } = beside.journal
  expect(ownership).toMatchObject({ state: 'owner', epoch: 2, forced: true })
  expect([ownership?.missing, ownership?.settling, digests.knownBlocks]).toEqual([undefined, undefined, 0])
  await beside.close()
})

test('only a disk of which blocks never came is taken over with --force alone', async () => {
  const lacking = await halfMoved([0, 1, 2])
  const asked = { disk: { kind: 'file', path: lacking }, takeOver: true, yes: true, force: false } as const
  await expect(own(asked, output)).rejects.toMatchObject({
    code: 'NOT_OWNER',
    message: expect.stringMatching(/1 of 4/),
  })
  await rm(`${lacking}.ferry`)
  await halfMoved([0, 1, 2, 3])
  await own(asked, output)
})
