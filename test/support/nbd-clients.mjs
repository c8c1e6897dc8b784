// The NBD clients that other people wrote. Plain JavaScript, as it runs before the tests do.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Tool, and the Debian package it is in. */
const CLIENTS = { nbdinfo: 'libnbd-bin', nbdcopy: 'libnbd-bin', 'qemu-img': 'qemu-utils', 'qemu-io': 'qemu-utils' }
const SERVERS = { nbdkit: 'nbdkit' }

let clients
let servers

/** Whether `nbdinfo`, `nbdcopy`, `qemu-img` and `qemu-io` are there; installs them as root on Debian, else says loudly what is missing. */
export function ensureNbdClients() {
  clients ??= ensure(CLIENTS)
  return clients
}

/** The same for `nbdkit`, the server that ours is measured beside. */
export function ensureNbdkit() {
  servers ??= ensure(SERVERS)
  return servers
}

function ensure(tools) {
  const missing = () => Object.keys(tools).filter((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error)
  if (missing().length === 0) return true
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    const packages = [...new Set(missing().map((tool) => tools[tool]))]
    // Standard output may belong to results.
    console.error(`Installing the Debian packages ${packages.join(' ')}`)
    const options = {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }
    spawnSync('apt-get', ['update', '-qq'], options)
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options)
  }
  const left = missing()
  if (left.length === 0) return true
  const packages = [...new Set(left.map((tool) => tools[tool]))]
  console.error(
    `\nSKIPPED: ${left.join(', ')} missing, so nothing is tried with real NBD clients. Install ${packages.join(' ')}.\n`,
  )
  return false
}
