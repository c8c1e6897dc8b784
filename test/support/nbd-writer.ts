import { connect, type Socket } from 'node:net'
import { basename } from 'node:path'
import { systemClock } from '../../src/async/clock.ts'
import type { Random } from '../../src/async/random.ts'
import { PAGE_BYTES, pageContent, type WriteLedger } from './write-ledger.ts'

/** Pages written before each flush. */
const BATCH = 8

const [WRITE, DISCONNECT, FLUSH] = [1, 2, 3]

/** Writes pages to an NBD export over a unix socket and flushes them, again and again, by way of a ledger; calls again when it is cut off. */
export class NbdWriter {
  /** Resolves when it has stopped: told so, or refused since the disk has moved away. */
  readonly ended: Promise<void>
  /** Batches that were flushed. */
  batches = 0
  readonly #path: string
  readonly #ledger: WriteLedger
  readonly #random: Random
  readonly #pauseMs: number
  #socket: Socket | undefined
  #isOver = false

  constructor(path: string, ledger: WriteLedger, random: Random, pauseMs: number) {
    this.#path = path
    this.#ledger = ledger
    this.#random = random
    this.#pauseMs = pauseMs
    this.ended = this.#run()
  }

  /** Ends after the batch under way. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.ended
  }

  /** Hangs up at once. */
  cut(): void {
    this.#isOver = true
    this.#socket?.destroy()
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      try {
        const wire = await Wire.open(this.#path, (socket) => {
          this.#socket = socket
        })
        while (!this.#isOver) {
          if (!(await this.#batch(wire))) {
            this.#isOver = true
            break
          }
          await systemClock.sleep(this.#pauseMs)
        }
        wire.send(DISCONNECT, 0, 0)
        this.#socket?.end()
      } catch {
        this.#socket?.destroy() // Nobody is there, or not any more.
        if (!this.#isOver) await systemClock.sleep(30)
      }
    }
  }

  /** False when it was refused. */
  async #batch(wire: Wire): Promise<boolean> {
    const writes: number[] = []
    const answers: Promise<number>[] = []
    const taken = new Set<number>()
    while (writes.length < BATCH) {
      const page = Math.floor(this.#random() ** 2 * this.#ledger.pages)
      // Two writes of one page under way would have no order.
      if (taken.has(page)) continue
      taken.add(page)
      const write = this.#ledger.issue(page, basename(this.#path))
      writes.push(write)
      answers.push(this.#write(wire, page, write))
    }
    const errors = await Promise.all(answers)
    if (errors.some((error) => error !== 0)) return false
    if ((await wire.ask(FLUSH, 0, 0)) !== 0) return false
    this.#ledger.flushed(writes)
    this.batches++
    return true
  }

  async #write(wire: Wire, page: number, write: number): Promise<number> {
    const error = await wire.ask(WRITE, page * PAGE_BYTES, PAGE_BYTES, pageContent(page, write))
    if (error === 0) this.#ledger.acknowledged(write)
    return error
  }
}

/** The least of a client: the default export, simple replies. */
class Wire {
  readonly #socket: Socket
  readonly #waiting = new Map<number, { resolve: (error: number) => void; reject: (error: Error) => void }>()
  #cookie = 0
  #received = Buffer.alloc(0)
  #look = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {}) // Followed by its end.
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

  static async open(path: string, opened: (socket: Socket) => void): Promise<Wire> {
    const socket = connect(path)
    opened(socket)
    const wire = new Wire(socket)
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
