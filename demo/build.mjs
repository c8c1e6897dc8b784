// `npm run build:demo`: the page as files for any web server, under any path. It needs no special headers.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import util from 'node:util'
import { buildKernels, checkNode, ensureInstalled, fail, project } from './install.mjs'

const HELP = `Usage: npm run build:demo -- [--out FOLDER] [--rendezvous URL] [--without-guest]

Builds the demo page as a static site.
  --out FOLDER       where it goes; what is in it is deleted. Default: build/demo
  --rendezvous URL   ws:// or wss:// address of a rendezvous (blockferry signal runs
                     one) that introduces visitors to each other. Without one, tabs
                     of one browser meet, and others by texts carried by hand
  --without-guest    leaves out the Linux guest that npm run guest has built`

let options
try {
  const known = { out: 'string', rendezvous: 'string', 'without-guest': 'boolean', help: 'boolean' }
  const described = Object.fromEntries(Object.entries(known).map(([name, type]) => [name, { type }]))
  options = util.parseArgs({ options: described }).values
} catch (error) {
  console.error(`${error.message}\n\n${HELP}`)
  process.exit(2)
}
if (options.help) {
  console.log(HELP)
  process.exit(0)
}
if (options.rendezvous !== undefined && !/^wss?:$/.test(protocolOf(options.rendezvous))) {
  console.error(`"${options.rendezvous}" is not the address of a rendezvous: ws://HOST:PORT/PATH or wss://…`)
  process.exit(2)
}
checkNode()
ensureInstalled()
if (!buildKernels()) fail('the kernels could not be built; the message is above')

const outDir = resolve(options.out ?? join(project, 'build/demo'))
// Whatever the shell says: a page for visitors is no page in development.
process.env.NODE_ENV = 'production'
if (options.rendezvous) process.env.VITE_RENDEZVOUS = options.rendezvous
if (options['without-guest']) process.env.BLOCKFERRY_GUEST = ''
const { build } = await import('vite')
try {
  await build({ configFile: join(project, 'vite.config.ts'), logLevel: 'warn', build: { outDir } })
} catch (error) {
  fail(`the page could not be built: ${error instanceof Error ? error.message : error}`)
}
console.log(`The page is in ${outDir}${existsSync(join(outDir, 'guest')) ? ', with the Linux guest' : ''}`)

function protocolOf(address) {
  try {
    return new URL(address).protocol
  } catch {
    return ''
  }
}
