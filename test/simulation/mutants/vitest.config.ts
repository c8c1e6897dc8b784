// The tests of the project with one bug planted: `PLANTED_BUG=name vitest run --config <this> <file>`.
import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { mutants } from './index.ts'

const project = fileURLToPath(new URL('../../..', import.meta.url))
const name = process.env.PLANTED_BUG
const mutant = mutants.find((mutant) => mutant.name === name)
if (name !== undefined && !mutant) throw new Error(`no planted bug is called ${name}`)

export default defineConfig({
  root: project,
  plugins: [
    {
      name: 'planted bug',
      enforce: 'pre',
      transform(text, id) {
        const path = relative(project, id.split('?')[0]!).split(sep).join('/')
        if (path !== mutant?.file) return undefined
        if (text.split(mutant.find).length !== 2) throw new Error(`its place is not in ${path} exactly once`)
        return text.replace(mutant.find, () => mutant.replace)
      },
    },
  ],
  // A busy machine must not look like a bug that is found.
  test: { include: ['test/**/*.test.ts'], maxWorkers: 1, testTimeout: 120_000, hookTimeout: 120_000 },
})
