import { expect, test } from 'vitest'
import { runningTests } from './running-tests.ts'

test('tests that run are found in any form, with the groups around them', () => {
  const source = `
    describe('a group', () => {
      it('is plain', () => {})
      for (const n of [1, 2]) it(\`is number \${n}\`, { timeout: 1 }, async () => { expect(n).toBe(n) })
      test.each<string>(['a'])('is one of %s', (name: string) => {})
      it.each\`a\`('is in a table', () => {})
    })
    describe.each([1])('%i:', () => { it.concurrent('is within', () => {}) })`
  expect(runningTests(source)).toEqual([
    ...['a group', 'is plain', 'is number …', 'is one of %s', 'is in a table', '%i:', 'is within'],
  ])
})

test.each([
  `// it('hidden', () => {})`,
  `const text = "it('hidden', () => {})"`,
  `it.skip('hidden', () => {})`,
  `it.todo('hidden')`,
  `it('hidden')`,
  `it.skipIf(slow)('hidden', () => {})`,
  `it.runIf(fast)('hidden', () => {})`,
  `it.fails('hidden', () => {})`,
  `it.each([1]).skip('hidden', () => {})`,
  `it.skip.each([1])('hidden', () => {})`,
  `it('hidden', { skip: true }, () => {})`,
  `it('hidden', (context) => context.skip())`,
  `it('hidden', ({ skip }) => { if (slow) skip('too slow') })`,
  `describe.skip('around', () => { it('hidden', () => {}) })`,
  `describe('around', { skip: slow }, () => { it('hidden', () => {}) })`,
  `describe('hidden', () => { it.skip('within', () => {}) })`,
  `describe('hidden', () => {})`,
  `expect('hidden').toBe('hidden')`,
])('what does not run, or may not, is not found: %s', (source) => {
  expect(runningTests(source)).toEqual([])
})
