import { connect, type Socket } from 'node:net'

/** Commands of a client. */
export const COMMAND = { write: 1, disconnect: 2, flush: 3 } as const

/** The least of a client: the default export, simple replies. */
export class NbdWire {
  /** Resolves when it is over: `end` where the server hung up in order, `cut` where not. */
  readonly over: Promise<'end' | 'cut'>
  readonly #socket: Socket
  readonly #waiting = new Map<number, { resolve: (error: number) => void; reject: (error: Error) => void }>()
  #cookie = 0
  #received = Buffer.alloc(0)
  #look = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {}) // Followed by its end.
    this.over = new Promise((resolve) => {
      socket.once('end', () => resolve('end'))
      socket.once('close', () => resolve('cut'))
    })
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('cut off'))
      this.#waiting.clear()
      this.#look()
    })
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes])
      this.#look()
    })
  }

  static async open(path: string, opened: (socket: Socket) => void = () => {}): Promise<NbdWire> {
    const socket = connect(path)
    opened(socket)
    const wire = new NbdWire(socket)
    await wire.#take(18)
    // Fixed newstyle without zeroes, then NBD_OPT_GO for the default export.
    socket.write(Buffer.from('0000000349484156454f50540000000700000006000000000000', 'hex'))
    for (let type = 3; type !== 1; ) {
      const head = await wire.#take(20)
      type = head.readUInt32BE(12)
      if (type & 0x80000000) throw new Error('refused')
      await wire.#take(head.readUInt32BE(16))
    }
    wire.#look = () => wire.#answers()
    return wire
  }

  /** Resolves with the error number of the answer; rejects when the connection ends without one. */
  ask(command: number, offset: number, length: number, data?: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) reject(new Error('cut off'))
      else this.#waiting.set(this.send(command, offset, length, data), { resolve, reject })
    })
  }

  send(command: number, offset: number, length: number, data?: Uint8Array): number {
    const header = Buffer.alloc(28)
    header.writeUInt32BE(0x25609513, 0)
    header.writeUInt16BE(command, 6)
    header.writeBigUInt64BE(BigInt(++this.#cookie), 8)
    header.writeBigUInt64BE(BigInt(offset), 16)
    header.writeUInt32BE(length, 24)
    this.#socket.write(header)
    if (data) this.#socket.write(data)
    return this.#cookie
  }

  #answers(): void {
    while (this.#received.length >= 16) {
      const cookie = Number(this.#received.readBigUInt64BE(8))
      const error = this.#received.readUInt32BE(4)
      this.#received = this.#received.subarray(16)
      this.#waiting.get(cookie)?.resolve(error)
      this.#waiting.delete(cookie)
    }
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#received.length < length) {
      if (this.#socket.destroyed) throw new Error('cut off')
      await new Promise<void>((resolve) => {
        this.#look = resolve
      })
    }
    const taken = this.#received.subarray(0, length)
    this.#received = this.#received.subarray(length)
    return taken
  }
}
