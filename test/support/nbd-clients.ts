import { spawn } from 'node:child_process'
import type { NbdAddress } from '../../src/adapters/nbd/server.node.ts'

/** The address of an export as clients write it. */
export function nbdUri(address: NbdAddress, name = ''): string {
  const path = encodeURIComponent(name)
  return 'unix' in address
    ? `nbd+unix:///${path}?socket=${address.unix}`
    : `nbd://${address.host}:${address.port}/${path}`
}

/** Runs a client and resolves with what it printed, both streams; rejects with that when its exit code is not 0. */
export function runClient(tool: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output)
      else reject(new Error(`${tool} ${args.join(' ')} ended with ${code ?? signal}: ${output}`))
    })
  })
}
