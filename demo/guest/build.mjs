// `npm run guest`: builds a small Linux for the demo from Debian's packages, into `build/guest/`. Nothing on the machine changes: the packages are
// fetched with a package list of their own and only unpacked.
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { fail, project } from '../install.mjs'
import { cpio, folder, link, program } from './cpio.mjs'
import { CLOCK, INIT, MODULES, TOOLS } from './init.mjs'

const HELP = `Usage: npm run guest [-- FOLDER]

Builds a small Linux guest for the demo page from Debian's i386 packages: bios.bin,
vgabios.bin, vmlinuz, initrd.gz and disk.img (64 MiB, ext4), the last one also packed. FOLDER: build/guest
where it is not given. Needs a Debian or a system like it (apt-get, dpkg-deb,
mkfs.ext4); changes nothing on it.`

/** Bytes of the guest's disk. */
const DISK_BYTES = 64 * 2 ** 20
const ARCHITECTURE = ['-oAPT::Architecture=i386', '-oAPT::Architectures=i386']

const [argument] = process.argv.slice(2)
if (argument === '--help' || argument === '-h') {
  console.log(HELP)
  process.exit(0)
}
const out = argument ?? join(project, 'build/guest')
for (const tool of ['apt-get', 'dpkg-deb', 'mkfs.ext4']) {
  if (spawnSync(tool, ['--version']).error && !existsSync(`/sbin/${tool}`)) {
    fail(
      `The guest is made of Debian's packages, and this machine has no ${tool}: give the page an image and a BIOS of your own instead.`,
    )
  }
}

const work = mkdtempSync(join(tmpdir(), 'blockferry-guest-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))
console.log('Fetching the packages')
const unpacked = fetchPackages()
console.log('Building')
const made = join(work, 'made')
mkdirSync(made)
writeFileSync(join(made, 'bios.bin'), readFileSync(join(unpacked, 'usr/share/seabios/bios.bin')))
writeFileSync(join(made, 'vgabios.bin'), readFileSync(join(unpacked, 'usr/share/seabios/vgabios-stdvga.bin')))
const kernel = readdirSync(join(unpacked, 'boot')).find((name) => name.startsWith('vmlinuz-'))
writeFileSync(join(made, 'vmlinuz'), readFileSync(join(unpacked, 'boot', kernel)))
writeFileSync(join(made, 'initrd.gz'), gzipSync(cpio(firstFiles()), { level: 9 }))
const disk = join(made, 'disk.img')
writeFileSync(disk, '')
truncateSync(disk, DISK_BYTES)
run('mkfs.ext4', ['-q', '-F', '-L', 'guest', disk], { PATH: `${process.env.PATH}:/sbin:/usr/sbin` })
// Nearly all of it is zeroes, and a page need not fetch these.
writeFileSync(`${disk}.gz`, gzipSync(readFileSync(disk), { level: 9 }))
mkdirSync(out, { recursive: true })
for (const name of readdirSync(made)) {
  // Whole or not at all: a page may be loading them.
  writeFileSync(join(out, `${name}.part`), readFileSync(join(made, name)))
  renameSync(join(out, `${name}.part`), join(out, name))
}
console.log(`The guest is in ${out}`)

/** Fetches and unpacks them; returns the folder. */
function fetchPackages() {
  const lists = join(work, 'lists')
  mkdirSync(join(lists, 'partial'), { recursive: true })
  const apt = [...ARCHITECTURE, `-oDir::State::Lists=${lists}`, '-oAPT::Sandbox::User=root', '-qq']
  // One list in the middle of an update of its server does not matter; a package that is missing fails below.
  spawnSync('apt-get', [...apt, 'update'], { stdio: ['ignore', 'ignore', 'ignore'] })
  const depends = run('apt-cache', [...apt, 'depends', 'linux-image-686'])
  const image = /Depends: (linux-image-\d\S*)/.exec(depends)?.[1]
  if (!image) fail('The package linux-image-686 was not found; is the machine online?')
  const debs = join(work, 'debs')
  mkdirSync(debs)
  run('apt-get', [...apt, 'download', image, 'busybox-static', 'seabios'], {}, debs)
  const to = join(work, 'unpacked')
  for (const deb of readdirSync(debs)) run('dpkg-deb', ['-x', join(debs, deb), to])
  return to
}

/** What the kernel unpacks at its start. */
function firstFiles() {
  const files = readdirSync(join(unpacked, 'lib/modules'), { recursive: true }).filter((name) => name.endsWith('.ko'))
  const modules = MODULES.map((name) => files.find((file) => basename(file) === `${name}.ko`)).filter((file) => file)
  return [
    ...['bin', 'dev', 'proc', 'sys', 'lib', 'lib/m', 'mnt', 'tmp'].map(folder),
    program('bin/busybox', readFileSync(join(unpacked, 'bin/busybox'))),
    ...TOOLS.map((name) => link(`bin/${name}`, 'busybox')),
    program('bin/clock', CLOCK),
    program('init', INIT),
    ...modules.map((file) => program(`lib/m/${basename(file)}`, readFileSync(join(unpacked, 'lib/modules', file)))),
  ]
}

function run(command, args, environment = {}, cwd = work) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...environment },
    encoding: 'utf8',
  })
  if (status !== 0) fail(`${command} failed: ${(error?.message ?? stderr).trim()}`)
  return stdout
}
