import { spawn } from 'node:child_process'

/** A `qemu-io` that writes to an export until it is refused. */
export interface PatternWriter {
  /** Writes that were acknowledged. */
  readonly written: number
  /** Resolves when it writes no more, with all that it printed. */
  readonly ended: Promise<string>
  stop(): void
}

/** Writes of at once: the next ones are asked for when these are done. */
const BATCH = 16

/** Writes patterns of 4 KiB all over a range of an export, one after the other, from now until a write fails or it is stopped. */
export function startPatternWriter(
  uri: string,
  range: { readonly offset: number; readonly length: number },
): PatternWriter {
  const child = spawn('qemu-io', ['-f', 'raw', uri], { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  let asked = 0
  let written = 0
  let isOver = false
  const pages = Math.floor(range.length / 4096)
  const ask = () => {
    while (!isOver && asked < written + BATCH) {
      // A stride that meets every page once before any twice.
      const page = (asked * 2654435761) % pages
      child.stdin.write(`write -P ${1 + (asked++ % 250)} ${range.offset + page * 4096} 4096\n`)
    }
  }
  const end = () => {
    if (isOver) return
    isOver = true
    child.stdin.end('quit\n')
  }
  child.stdin.on('error', () => {}) // It has ended, which is reported below.
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-100_000)
    written += text.split('wrote 4096/4096').length - 1
    if (/write failed/.test(text)) end()
    ask()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
    end()
  })
  const ended = new Promise<string>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => {
      isOver = true
      resolve(output)
    })
  })
  ask()
  return {
    get written() {
      return written
    },
    ended,
    stop: end,
  }
}
