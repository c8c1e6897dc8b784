// Plain JavaScript without any package: it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository. */
export const project = fileURLToPath(new URL('..', import.meta.url))

const NODE_MAJOR = 20
const NODE_MINOR = 19

/** Ends the process with one line when Node is too old for the tools. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > NODE_MAJOR || (major === NODE_MAJOR && minor >= NODE_MINOR)) return
  fail(`blockferry needs Node ${NODE_MAJOR}.${NODE_MINOR} or newer; this is ${process.versions.node}`)
}

/** Prints one line and ends the process. */
export function fail(line) {
  console.error(line)
  process.exit(1)
}

/** Installs the packages of the lock file when they are missing or others. */
export function ensureInstalled() {
  const reason = reasonToInstall()
  if (reason === undefined) return
  // Standard output belongs to results, of `--json` above all.
  console.error(`Installing packages (${reason})`)
  // What the packages bring is complete without their scripts, and ours (the build) runs right after.
  const flags = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = runNpm(flags)
  if (status !== 0) fail('npm ci failed; its message is above')
}

/** Builds the kernels, quietly unless it fails. */
export function buildKernels() {
  return runNode([join(project, 'assembly/build.mjs')], 'ignore')
}

/** Compiles the library and the command to `dist/`. */
export function buildLibrary() {
  const compiled = runNode([join(project, 'node_modules/typescript/bin/tsc'), '-p', 'src'], 2)
  // The compiler knows no executables, and npx links to the file as it is.
  const command = join(project, 'dist/src/cli/main.js')
  if (existsSync(command)) chmodSync(command, 0o755)
  return compiled
}

/** Standard output belongs to whoever called us; the compiler says its errors there, so they go to the other one. */
function runNode(args, output) {
  const { status } = spawnSync(process.execPath, args, { cwd: project, stdio: ['ignore', output, 'inherit'] })
  return status === 0
}

/** Through the npm that started us where there is one: on Windows `npm` is a script that only a shell finds. */
function runNpm(args) {
  const options = { cwd: project, stdio: ['ignore', 'ignore', 'inherit'] }
  const npm = process.env.npm_execpath
  if (npm !== undefined && /\.[cm]?js$/.test(npm)) return spawnSync(process.execPath, [npm, ...args], options)
  return spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
}

/** Compares what npm installed with the lock file by content: times say nothing after a checkout. */
function reasonToInstall() {
  const installedPath = join(project, 'node_modules/.package-lock.json')
  if (!existsSync(installedPath)) return 'first run'
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages
  const locked = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')).packages
  for (const [path, { version, optional }] of Object.entries(locked)) {
    // Optional packages are those of other platforms.
    if (path === '' || (optional && installed[path] === undefined)) continue
    if (installed[path]?.version !== version) return `${path.replace('node_modules/', '')} ${version} is new`
    if (!existsSync(join(project, path))) return `${path} is missing`
  }
  return undefined
}
