import { describe, expect, it } from 'vitest'
import { CHOICES, found, percent } from '../../../demo/travel/found-sentences.ts'
import type { Finding } from '../../../demo/travel/travel-disks.ts'

const BASE: Finding = {
  size: 2 ** 26,
  blockSize: 65536,
  state: 'owner',
  isUnderWay: false,
  forced: false,
  share: 0.627,
}

describe('what is said of a disk that an earlier page left', () => {
  it.each([
    ['departure', { isUnderWay: true }, ['resume', 'giveUp'], /^A move of a 64 MiB disk was interrupted at 62 %\.$/],
    ['departure', {}, ['offer', 'remove'], /still here/],
    ['departure', { state: 'released' }, ['resume', 'takeBack'], /gave a disk of 64 MiB away/],
    ['departure', { state: 'gone' }, ['discard', 'takeBack'], /belongs to the other side/],
    ['arrival', { state: 'receiving' }, ['resume', 'discard'], /to this page was interrupted at 62 %/],
    ['arrival', { state: 'prepared' }, ['resume', 'takeOver', 'forsake'], /last word was missing/],
    ['arrival', {}, ['use', 'remove'], /is yours/],
  ] as const)('%s, %o', (end, finding, choices, sentence) => {
    const text = found(end, { ...BASE, ...finding }, 0)
    expect(text.choices).toEqual(choices)
    expect(text.sentence).toMatch(sentence)
  })

  it('says that a disk was taken without the word of the other side', () => {
    expect(found('departure', { ...BASE, forced: true }, 0).detail).toContain('recorded')
    expect(found('arrival', { ...BASE, forced: true }, 0).detail).toContain('recorded')
  })

  it('has the size of a disk that was never on its way from who made it', () => {
    expect(found('departure', undefined, 2 ** 24).sentence).toContain('16 MiB')
  })

  it('does nothing that may cost the only copy, or make two of it, without a warning', () => {
    for (const choice of ['takeBack', 'takeOver', 'remove', 'forsake'] as const)
      expect(CHOICES[choice].warning).toBeDefined()
  })

  it('rounds down, so that nothing looks finished', () => {
    expect([percent(0.999), percent(1), percent(-0.1), percent(0)]).toEqual(['99 %', '100 %', '0 %', '0 %'])
  })
})
