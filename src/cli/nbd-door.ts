import { type NbdAddress, NbdServer } from '../adapters/nbd/server.node.ts'
import { errorMessage } from '../errors/storage-error.ts'
import type { Lockable } from '../modules/lockable.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { ExportedDisk } from './exported-disk.ts'
import { nbdUri } from './nbd-address.ts'
import type { Output } from './output.ts'
import { isLoopback } from './peer-address.ts'

/** One disk, open to NBD clients while it moves. */
export class NbdDoor {
  readonly #name: string
  readonly #server: NbdServer
  readonly #disk: ExportedDisk

  private constructor(name: string, disk: ExportedDisk) {
    this.#name = name
    this.#disk = disk
    this.#server = new NbdServer({ exports: new Map([[name, { provider: disk }]]) })
  }

  /** Opens a door to a gated disk, by way of `face` where one is given, and says where it is. @throws StorageError `OPEN_FAILED` */
  static async open(
    address: NbdAddress,
    name: string,
    { gate, face = gate }: { gate: Lockable; face?: StorageProvider },
    output: Output,
  ): Promise<NbdDoor> {
    const disk = new ExportedDisk(gate, face)
    const door = new NbdDoor(name, disk)
    door.#server.on('error', ({ error }) => output.note(`an NBD client: ${errorMessage(error)}`))
    if ('host' in address && !isLoopback(address.host)) {
      output.warn(
        `whoever reaches ${address.host} may read and write the disk: NBD asks for no secret and hides nothing`,
      )
    }
    const uri = nbdUri(await door.#server.listen(address), name)
    output.event('nbd', { uri }, `NBD clients find it at ${uri}`)
    return door
  }

  /** Nobody here may write any more: writes are refused, those that waited included. */
  async endWriting(reason: unknown): Promise<void> {
    this.#disk.refuseWrites(reason)
    await this.#server.setReadOnly(this.#name, true)
  }

  /** Puts another disk of the same content behind the door, clients being connected. */
  async replace(disk: StorageProvider): Promise<void> {
    await this.#server.replaceProvider(this.#name, disk)
  }

  /** Lets requests under way end, flushes, and hangs up. */
  async close(): Promise<void> {
    await this.#server.close()
  }
}
