// Reads the planted bugs, which are TypeScript.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const here = dirname(fileURLToPath(import.meta.url))

/** @returns {Promise<readonly { name: string, file: string, find: string, replace: string, scenario?: string, killedBy?: string, reason: string }[]>} */
export async function loadMutants() {
  const { output } = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      lib: { entry: join(here, 'index.ts'), formats: ['es'] },
    },
  }).then((result) => (Array.isArray(result) ? result[0] : result))
  const { mutants } = await import(`data:text/javascript,${encodeURIComponent(output[0].code)}`)
  return mutants
}
