// `npm start`: from a fresh clone to the page, with Node alone.
import util from 'node:util'
import { buildKernels, checkNode, ensureInstalled, fail, project } from './install.mjs'

checkNode()
const port = readPort()
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
    server: port === undefined ? {} : { port, strictPort: true },
  })
  await server.listen()
} catch (error) {
  fail(`the page could not be served: ${error instanceof Error ? error.message : error}`)
}
const [address] = [...(server.resolvedUrls?.local ?? []), ...(server.resolvedUrls?.network ?? [])]
console.log(`blockferry is at ${address}  (stop with Ctrl+C)`)

let stopping = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (stopping) process.exit(1)
    stopping = true
    void server.close().finally(() => process.exit(0))
  })
}

function readPort() {
  let text
  try {
    text = util.parseArgs({ options: { port: { type: 'string' } } }).values.port ?? process.env.PORT
  } catch (error) {
    console.error(`${error.message} (usage: npm start -- --port 8080)`)
    process.exit(2)
  }
  if (text === undefined || text === '') return undefined
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65536) return port
  console.error(`"${text}" is not a port: a whole number from 1 to 65535`)
  process.exit(2)
}
