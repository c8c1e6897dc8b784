import { describe, expect, it } from 'vitest'
import type { Outcome, Step } from '../../../demo/mover/messages.ts'
import { cancelled, failure, stepStatement, verdict } from '../../../demo/mover/sentences.ts'
import { DEFAULT_SETTINGS } from '../../../demo/mover/settings.ts'
import { ERROR_CODES, type ErrorCode } from '../../../src/errors/storage-error.ts'

const OUTCOME: Outcome = {
  settings: DEFAULT_SETTINGS,
  sourceRoot: 'ab',
  destinationRoot: 'ab',
  bytesMoved: 150 * 2 ** 20,
  rounds: 3,
  durationMs: 5000,
  pauseMs: 2.6,
  predictedPauseMs: 4,
  longestWriteMs: 2.9,
  writes: 12_345,
}

describe('the verdict', () => {
  it('says what was not lost, from how many writes, at what pause', () => {
    expect(verdict(OUTCOME)).toMatchObject({
      tone: 'equal',
      sentence:
        'Nothing was lost: both disks have the same root hash. 12,345 writes while moving, longest pause of the program 3 ms.',
    })
    expect(verdict(OUTCOME).detail).toContain('150 MiB in 3 rounds, 5.0 s, 30 MiB/s on average.')
  })

  it('tells the longest wait of the program, be it the pause or another write', () => {
    expect(verdict({ ...OUTCOME, longestWriteMs: 80 }).sentence).toContain('longest pause of the program 80 ms')
    expect(verdict({ ...OUTCOME, pauseMs: 90 }).sentence).toContain('longest pause of the program 90 ms')
  })

  it('does not praise a move without a writer for its writes', () => {
    expect(verdict({ ...OUTCOME, writes: 0 }).sentence).toContain('No program was writing.')
  })

  it('does not hide a difference', () => {
    const { tone, sentence } = verdict({ ...OUTCOME, destinationRoot: 'ac' })
    expect(tone).toBe('failed')
    expect(sentence).not.toContain('Nothing was lost')
  })
})

describe('a failure', () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    it(`with ${code} is one sentence with what to do`, () => {
      const { tone, sentence, detail } = failure(
        { code, name: 'StorageError', message: 'words', context: {} },
        undefined,
      )
      expect(tone).toBe('failed')
      expect(sentence).toMatch(/^[A-Z].*[;,].*\.$/)
      expect(detail).toBe(`${code}: words`)
    })
  }

  it('says the cause, and not twice what is known', () => {
    const cause = { code: undefined, name: 'Error', message: 'no space', context: {} }
    const error = {
      code: 'QUOTA_EXCEEDED',
      name: 'StorageError',
      message: ERROR_CODES.QUOTA_EXCEEDED,
      context: {},
      cause,
    } as const
    const remains = { settings: DEFAULT_SETTINGS, filled: true, writes: 3 }
    expect(failure(error, remains)).toMatchObject({
      sentence: expect.stringContaining('The source disk is unchanged by the move.'),
      detail: 'QUOTA_EXCEEDED: no space',
    })
  })

  it('without a code names itself', () => {
    expect(failure({ code: undefined, name: 'TypeError', message: 'x is y', context: {} }, undefined).detail).toBe(
      'TypeError: x is y',
    )
  })
})

it('tells after Cancel what became of the source', () => {
  const remains = { settings: DEFAULT_SETTINGS, writes: 1 }
  expect(cancelled({ ...remains, filled: true }).sentence).toContain('changed nothing on the source disk in OPFS')
  expect(cancelled({ ...remains, filled: true }).detail).toContain('1 write went through')
  expect(cancelled({ ...remains, filled: false }).sentence).toContain('half-filled source disk was deleted')
})

it('has a sentence for each step', () => {
  for (const step of ['fill', 'full', 'dirty', 'locked', 'compare'] satisfies Step[]) {
    for (const reuse of [true, false]) {
      const { sentence } = stepStatement(step, DEFAULT_SETTINGS, { round: 2, reuse })
      expect(sentence).toMatch(/^[A-Z].*\.$/)
    }
  }
})
