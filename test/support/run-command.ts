import { type ChildProcess, spawn } from 'node:child_process'
import { commandPath } from './built-library.ts'

/** How a process of the command ended. */
export interface CommandRun {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  /** Standard output as objects, one for each line. */
  objects(): Record<string, unknown>[]
}

/** Runs `npx blockferry` with these arguments, as a process of its own. */
export function runCommand(
  args: readonly string[],
  options: { cwd?: string; onOutput?: (text: string, child: ChildProcess) => void } = {},
): Promise<CommandRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [commandPath, ...args], {
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      options.onOutput?.(stdout, child)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (exitCode) => {
      const objects = () =>
        stdout
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as Record<string, unknown>)
      resolve({ exitCode, stdout, stderr, objects })
    })
  })
}
