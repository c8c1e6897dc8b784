// `npm start`: from a fresh clone to the page, with Node alone.
import util from 'node:util'
import { buildKernels, checkNode, ensureInstalled, fail, project } from './install.mjs'

checkNode()
const { port, host } = readOptions()
ensureInstalled()
if (!buildKernels()) fail('the kernels could not be built; the message is above')

// Only now: before, it may not have been there.
const { createServer } = await import('vite')
let server
try {
  server = await createServer({
    configFile: `${project}/vite.config.ts`,
    logLevel: 'warn',
    clearScreen: false,
    // A port that was asked for is not silently another one.
    server: { ...(port === undefined ? {} : { port, strictPort: true }), ...(host === undefined ? {} : { host }) },
  })
  await server.listen()
} catch (error) {
  fail(`the page could not be served: ${error instanceof Error ? error.message : error}`)
}
const { local = [], network = [] } = server.resolvedUrls ?? {}
const [address] = [...local, ...network]
console.log(`blockferry is at ${address}  (stop with Ctrl+C)`)
for (const other of network) if (other !== address) console.log(`other devices in this network: ${other}`)

let stopping = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (stopping) process.exit(1)
    stopping = true
    void server.close().finally(() => process.exit(0))
  })
}

/** The port, else any; and the host: this machine alone unless `--host` lets the network in, or one of its addresses. */
function readOptions() {
  let port
  let host
  try {
    // `--host` alone means all addresses; the parser knows no option with a value that may be left out.
    const args = process.argv.slice(2).flatMap((arg, index, all) => {
      const isBare = arg === '--host' && (all[index + 1] === undefined || all[index + 1].startsWith('-'))
      return isBare ? ['--host', '0.0.0.0'] : [arg]
    })
    const { values } = util.parseArgs({ args, options: { port: { type: 'string' }, host: { type: 'string' } } })
    port = values.port ?? process.env.PORT
    host = values.host
  } catch (error) {
    console.error(`${error.message} (usage: npm start -- --port 8080 --host)`)
    process.exit(2)
  }
  if (port === undefined || port === '') return { port: undefined, host }
  const number = Number(port)
  if (Number.isInteger(number) && number > 0 && number < 65536) return { port: number, host }
  console.error(`"${port}" is not a port: a whole number from 1 to 65535`)
  process.exit(2)
}
