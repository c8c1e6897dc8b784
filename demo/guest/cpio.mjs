// The archive that a Linux kernel unpacks at its start, in cpio's "new ASCII" format.
// Format: linux/Documentation/driver-api/early-userspace/buffer-format.rst, and cpio(5), "New ASCII Format".

const DIRECTORY = 0o040755
const PROGRAM = 0o100755
const LINK = 0o120777

/** A folder, by its path without a leading slash. */
export const folder = (path) => ({ path, mode: DIRECTORY, bytes: Buffer.alloc(0) })

/** A file that may be run, and that a kernel may load. */
export const program = (path, bytes) => ({ path, mode: PROGRAM, bytes: Buffer.from(bytes) })

/** A symbolic link. */
export const link = (path, target) => ({ path, mode: LINK, bytes: Buffer.from(target) })

/** The archive of these entries, in their order: a folder stands before what is in it. Equal entries give equal bytes. */
export function cpio(entries) {
  const parts = []
  let inode = 1
  for (const { path, mode, bytes } of [...entries, { path: 'TRAILER!!!', mode: 0, bytes: Buffer.alloc(0) }]) {
    const name = Buffer.from(`${path}\0`)
    const fields = [inode++, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0]
    const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`
    parts.push(padded(Buffer.concat([Buffer.from(head), name])), padded(bytes))
  }
  return Buffer.concat(parts)
}

/** Names and contents end at a multiple of four. */
function padded(bytes) {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
}
