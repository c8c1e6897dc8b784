/** Whether `nbdinfo`, `nbdcopy`, `qemu-img` and `qemu-io` are there; installs them as root on Debian, else says loudly what is missing. */
export function ensureNbdClients(): boolean
/** The same for `nbdkit`, the server that ours is measured beside. */
export function ensureNbdkit(): boolean
