import { BufferPool } from '../../../src/adapters/nbd/buffer-pool.ts'
import { Connection } from '../../../src/adapters/nbd/connection.ts'
import { ExportTable } from '../../../src/adapters/nbd/export-table.ts'
import type { NbdExport } from '../../../src/adapters/nbd/nbd-export.ts'
import type { Wire } from '../../../src/adapters/nbd/wire.ts'
import { systemClock } from '../../../src/async/clock.ts'
import type { StorageError } from '../../../src/errors/storage-error.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { hex, join } from './hex.ts'

/** What a test asks for. */
export interface FakeRequest {
  readonly command: number
  readonly flags?: number
  readonly cookie?: number
  readonly offset?: number
  readonly length?: number
  readonly payload?: Uint8Array
  /** Written into the header though the payload is another one. */
  readonly magic?: number
}

/** The bytes of a request. */
export function request(options: FakeRequest): Uint8Array {
  const { command, flags = 0, cookie = 1, offset = 0, payload = new Uint8Array() } = options
  const header = Buffer.alloc(28)
  header.writeUInt32BE(options.magic ?? 0x25609513, 0)
  header.writeUInt16BE(flags, 4)
  header.writeUInt16BE(command, 6)
  header.writeBigUInt64BE(BigInt(cookie), 8)
  header.writeBigUInt64BE(BigInt(offset), 16)
  header.writeUInt32BE(options.length ?? payload.length, 24)
  return join([header, payload])
}

/** What the client of a handshake sends to use the only export. */
export const GO = {
  simple: hex('00 00 00 03 "IHAVEOPT" 00 00 00 07 00 00 00 06 00 00 00 00 00 00'),
  structured: hex(`
    00 00 00 03
    "IHAVEOPT" 00 00 00 08 00 00 00 00
    "IHAVEOPT" 00 00 00 0a 00 00 00 1b 00 00 00 00 00 00 00 01 00 00 00 0f "base:allocation"
    "IHAVEOPT" 00 00 00 07 00 00 00 06 00 00 00 00 00 00`),
}

/** A client without a socket: what the server sends is kept, and taken only when the test says so. */
export class FakeClient implements Wire {
  readonly connection: Connection
  readonly export: NbdExport
  readonly failures: unknown[] = []
  readonly broken: StorageError[] = []
  reading = true
  ended = false
  unsent = 0
  /** Takes what is sent at once; otherwise it waits for {@link takeAll}. */
  taking = true
  readonly #received: Uint8Array[] = []
  #waiting: (() => void)[] = []

  constructor(provider: StorageProvider, options: { readOnly?: boolean } = {}) {
    const table = new ExportTable({ '': { provider, ...options } }, systemClock)
    this.export = table.get('')
    this.connection = new Connection(this, table, new BufferPool(), {
      chosen: () => {},
      failed: (error) => this.failures.push(error),
      broken: (error) => this.broken.push(error),
    })
  }

  /** Shakes hands, and forgets what the server said. */
  choose(how: keyof typeof GO): this {
    this.connection.receive(GO[how])
    this.received()
    return this
  }

  send(parts: readonly Uint8Array[], sent?: () => void): void {
    for (const part of parts) {
      this.#received.push(part.slice())
      if (!this.taking) this.unsent += part.length
    }
    if (!sent) return
    if (this.taking) sent()
    else this.#waiting.push(sent)
  }

  setReading(reading: boolean): void {
    this.reading = reading
  }

  end(): void {
    this.ended = true
  }

  takeAll(): void {
    this.unsent = 0
    const waiting = this.#waiting
    this.#waiting = []
    for (const sent of waiting) sent()
    this.connection.drained()
  }

  /** All the server sent since the last call. */
  received(): Uint8Array {
    return join(this.#received.splice(0))
  }

  /** Sends a request and waits for its answer. */
  async ask(options: FakeRequest): Promise<Uint8Array> {
    this.connection.receive(request(options))
    for (let turn = 0; turn < 1000 && this.#received.length === 0; turn++) await systemClock.yield()
    await settle()
    return this.received()
  }
}

/** Lets everything run that can, storages in memory included. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await systemClock.yield()
}
