import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { runningTests } from '../support/running-tests.ts'

const root = new URL('../../', import.meta.url)
const page = readFileSync(new URL('src/devices/README.md', root), 'utf8')
const promises = page
  .split(/^## (?=S\d+ )/m)
  .slice(1)
  .map((text) => ({
    name: text.slice(0, text.indexOf('\n')),
    tests: [...text.matchAll(/^- `(test\/[^`]+)`: (.+)$/gm)].map(([, file, title]) => ({ file: file!, title: title! })),
  }))

describe('"What we promise"', () => {
  test('has all ten promises, in order', () => {
    expect(promises.map(({ name }) => name.split(' ')[0])).toEqual(
      Array.from({ length: 10 }, (_, index) => `S${index + 1}`),
    )
  })

  test.each(promises)('$name: is held by tests that run', ({ tests }) => {
    expect(tests.length).toBeGreaterThan(1)
    for (const { file, title } of tests) {
      const path = new URL(file, root)
      expect(existsSync(path), `${file} is named and does not exist`).toBe(true)
      const titles = runningTests(readFileSync(path, 'utf8'))
      const isFound = titles.some((found) => found.startsWith(title))
      expect(isFound, `no test of ${file} that runs is called "${title}"`).toBe(true)
    }
  })
})
