import { StorageError } from '../../src/errors/storage-error.ts'

/** What a machine starts from. */
export interface GuestFiles {
  readonly bios: ArrayBuffer
  readonly vgaBios: ArrayBuffer
  /** A Linux kernel and its first files, with the words for it; without them the BIOS starts from the disk. */
  readonly kernel?: { readonly image: ArrayBuffer; readonly initrd: ArrayBuffer; readonly words: string }
  readonly disk: Blob
}

/** Quiet, with its messages on the screen, and without what only slows an emulated machine down. */
const WORDS = 'console=ttyS0 console=tty0 quiet tsc=reliable mitigations=off random.trust_cpu=on nowatchdog'

/** Whether the page was served with the guest that `npm run guest` builds. */
export async function hasGuest(): Promise<boolean> {
  // A server that answers everything with its own page has no guest.
  const answer = await fetch('guest/bios.bin', { method: 'HEAD' }).catch(() => undefined)
  return answer?.ok === true && !answer.headers.get('Content-Type')?.includes('html')
}

/** Fetches it. @throws StorageError `NOT_FOUND` */
export async function fetchGuest(onBytes: (bytes: number) => void): Promise<GuestFiles> {
  let bytes = 0
  const get = async (name: string) => {
    const answer = await fetch(`guest/${name}`)
    if (!answer.ok) throw new StorageError('NOT_FOUND', `The file ${name} of the guest is not there.`)
    const buffer = await answer.arrayBuffer()
    bytes += buffer.byteLength
    onBytes(bytes)
    return buffer
  }
  const names = ['bios.bin', 'vgabios.bin', 'vmlinuz', 'initrd.gz', 'disk.img.gz'] as const
  const [bios, vgaBios, image, initrd, packed] = await Promise.all(names.map(get))
  const disk = await unpack(new Blob([packed!]))
  return { bios: bios!, vgaBios: vgaBios!, kernel: { image: image!, initrd: initrd!, words: WORDS }, disk }
}

/** What a visitor has chosen: three files, of which the image may be packed by gzip. */
export async function ownGuest(bios: File, vgaBios: File, image: File): Promise<GuestFiles> {
  const disk = /\.gz$/i.test(image.name) ? await unpack(image) : image
  return { bios: await bios.arrayBuffer(), vgaBios: await vgaBios.arrayBuffer(), disk }
}

function unpack(packed: Blob): Promise<Blob> {
  return new Response(packed.stream().pipeThrough(new DecompressionStream('gzip'))).blob()
}
