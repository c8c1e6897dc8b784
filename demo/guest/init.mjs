// What runs in the guest: the first program that the kernel starts, and the tools beside it.

/** Kernel modules in the order of need: each finds its symbols in those before it. */
export const MODULES = [
  'crc16',
  'crc64',
  'crct10dif_common',
  'crct10dif_generic',
  'crc-t10dif',
  'crc64_rocksoft_generic',
  'crc64-rocksoft',
  't10-pi',
  'scsi_common',
  'scsi_mod',
  'sd_mod',
  'libata',
  'ata_piix',
  'crc32c_generic',
  'libcrc32c',
  'mbcache',
  'jbd2',
  'ext4',
]

/** Names under which the one program of the guest is called. */
export const TOOLS = [
  ...[
    '[',
    'cat',
    'clear',
    'cp',
    'cttyhack',
    'cut',
    'date',
    'dd',
    'df',
    'dmesg',
    'du',
    'echo',
    'env',
    'false',
    'find',
    'free',
    'grep',
  ],
  ...[
    'head',
    'hexdump',
    'insmod',
    'kill',
    'less',
    'ln',
    'ls',
    'lsmod',
    'md5sum',
    'mkdir',
    'more',
    'mount',
    'mv',
    'poweroff',
    'printf',
  ],
  ...[
    'ps',
    'pwd',
    'reset',
    'rm',
    'sed',
    'seq',
    'setsid',
    'sh',
    'sha256sum',
    'sleep',
    'sort',
    'stty',
    'sync',
    'tail',
    'test',
    'time',
    'top',
  ],
  ...['touch', 'tr', 'true', 'umount', 'uname', 'uptime', 'usleep', 'vi', 'wc', 'yes'],
]

/**
 * A shell at the screen and one at the serial port, and the disk at `/mnt`. `READY` at the serial port says that both are there.
 * A clock for people who move the machine: the seconds since its start, ten times a second.
 */
export const INIT = `#!/bin/sh
export PATH=/bin HOME=/mnt PS1='linux:\\w# ' TERM=linux
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for name in ${MODULES.join(' ')}; do
  [ -f /lib/m/$name.ko ] && insmod /lib/m/$name.ko
done
for try in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/sda ] && break; usleep 200000; done
mount -t ext4 /dev/sda /mnt && cd /mnt
dmesg -n 1
setsid sh -c 'stty -echo; echo READY; exec sh' <>/dev/ttyS0 >&0 2>&1 &
clear
echo 'A small Linux, running in this page. Its disk is at /mnt.'
echo 'Try:  clock        then move the machine while it ticks'
echo
while :; do setsid cttyhack sh; done
`

/** The clock: `clock`, until Ctrl+C. */
export const CLOCK = `#!/bin/sh
while read -r up rest < /proc/uptime; do
  printf '\\r%s s since the start ' "$up"
  usleep 100000
done
`
