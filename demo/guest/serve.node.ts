import { createReadStream } from 'node:fs'
import { copyFile, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'vite'

/** Where the page finds the files of the Linux guest, beside itself. */
const GUEST_PATH = '/guest/'

/** Serves the files that `npm run guest` has built, and puts them beside a built page. Without them the page says so. */
export function guestPlugin(folder: string): Plugin {
  let outDir = ''
  return {
    name: 'blockferry-guest',
    configResolved: (config) => {
      outDir = config.build.outDir
    },
    configureServer: ({ middlewares }) => {
      middlewares.use(GUEST_PATH, (request, response) => {
        const name = /^\/([\w.-]+)(?:\?.*)?$/.exec(request.url ?? '')?.[1]
        const file = name === undefined || folder === '' ? undefined : join(folder, name)
        const missing = () => {
          response.statusCode = 404
          response.end()
        }
        if (file === undefined) return missing()
        stat(file).then((found) => {
          response.setHeader('Content-Type', 'application/octet-stream')
          response.setHeader('Content-Length', found.size)
          if (request.method === 'HEAD') response.end()
          else createReadStream(file).pipe(response)
        }, missing)
      })
    },
    writeBundle: async () => {
      const names = folder === '' ? [] : await readdir(folder).catch(() => [])
      if (names.length === 0) return
      await mkdir(join(outDir, 'guest'), { recursive: true })
      for (const name of names) if (name !== 'disk.img') await copyFile(join(folder, name), join(outDir, 'guest', name))
    },
  }
}
