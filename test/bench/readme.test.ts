import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

interface Goal {
  readonly of: 'ratio' | 'value'
  readonly unit?: string
  readonly must: number
  readonly aim?: number
}

const goals: Record<string, Goal> = JSON.parse(readFileSync(new URL('goals.json', import.meta.url), 'utf8'))
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

const table = readme.slice(readme.indexOf('## Benchmarks'), readme.indexOf('## Dependencies'))

/** The cells behind the name of each row: what, ours, raw limit, ratio, must, aim. */
const rows = new Map(
  Array.from(table.matchAll(/^\| `([\w-]+)` \|(.*)\|$/gm), ([, name, cells]) => [
    name!,
    cells!.split('|').map((cell) => cell.trim()),
  ]),
)

describe("the README's table of benchmarks", () => {
  it('has a row for each goal, and no other', () => {
    expect([...rows.keys()].sort()).toEqual(Object.keys(goals).sort())
  })

  it.each(Object.entries(goals))(
    'says of %s what is promised, and what was measured',
    (name, { of, unit, must, aim }) => {
      const [, ours, , ratio, promised, wanted] = rows.get(name)!
      const said = (value: number) => (of === 'ratio' || unit === 'x' ? String(value) : `${value} ${unit}`)
      expect(promised).toBe(said(must))
      expect(wanted).toBe(aim === undefined ? 'memory speed' : said(aim))
      expect(of === 'ratio' ? ratio : ours).toMatch(/\d/)
    },
  )
})
