import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import { CONTROL_DEVICE, type Connection } from '../protocol/connection.ts'
import type { DeviceGroupInfo } from '../protocol/packets/device-group-info.ts'
import type { Packet } from '../protocol/packets/packet.ts'
import { failureOf, peerError } from '../protocol/peer-error.ts'
import { GROUP_MESSAGE_BYTES, GROUP_MESSAGES } from './limits.ts'

/** The number of what concerns a group as a whole, in dialect `blockferry/1`: no disk has it. */
export const GROUP_DEVICE: number = 2 ** 32 - 1

/** Custom event of a device group: the destination owns the devices from here on; with content, a message of the application. */
const CUSTOM = 0

/** Hears what the other side's application says; the bytes are the listener's own. The other side waits until it has resolved, and hears what it throws. */
export type GroupMessageHandler = (message: Uint8Array) => Promise<void> | void

/** What is said over a connection about a group as a whole: which disks come, and whatever the applications of the two sides tell each other. */
export class GroupMessages {
  readonly #connection: Connection
  readonly #handler: GroupMessageHandler | undefined
  readonly #announced: ((info: DeviceGroupInfo) => void) | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** `announced`: hears which disks come; only of the side that receives. */
  constructor(
    connection: Connection,
    handler: GroupMessageHandler | undefined,
    announced?: (info: DeviceGroupInfo) => void,
  ) {
    this.#connection = connection
    this.#handler = handler
    this.#announced = announced
    connection.rw.handle(this.#dev, (packet, id) => this.#serve(packet, id))
  }

  /** Says which disks come; first of all. */
  async announce(info: DeviceGroupInfo, signal?: AbortSignal): Promise<void> {
    await this.#connection.rw.post(this.#dev, info, { urgent: true, ...(signal ? { signal } : {}) })
  }

  /**
   * Tells the other side's application something, 1 to `GROUP_MESSAGE_BYTES` bytes; resolves when it has dealt with it. Messages arrive in the order
   * they were sent. In dialect `silo` only the side that sends the disks can.
   * @throws StorageError `LIMIT_EXCEEDED` when `GROUP_MESSAGES` wait already, `NOT_SUPPORTED`, why the connection ended, or what the other side's listener threw
   */
  async send(message: Uint8Array): Promise<void> {
    if (message.length < 1 || message.length > GROUP_MESSAGE_BYTES) {
      throw new InvalidArgumentError('message', `1 to ${GROUP_MESSAGE_BYTES} bytes`, message.length)
    }
    if (this.#connection.dialect === 'silo' && this.#announced) {
      throw new StorageError('NOT_SUPPORTED', 'In dialect silo only the side that sends the disks can say something.')
    }
    if (this.#waiting >= GROUP_MESSAGES) throw new StorageError('LIMIT_EXCEEDED', 'The other side does not listen.')
    const payload = message.slice()
    this.#waiting++
    const sent = this.#turn.then(() => this.#ask(payload))
    this.#turn = sent.catch(() => {}) // Whoever sent it hears of it.
    try {
      await sent
    } finally {
      this.#waiting--
    }
  }

  /** Dialect `silo`: tells the destination, once for all devices, that it owns them. */
  transferAuthority(): Promise<void> {
    return this.#ask(new Uint8Array(0))
  }

  get #dev(): number {
    return this.#connection.dialect === 'silo' ? CONTROL_DEVICE : GROUP_DEVICE
  }

  async #ask(payload: Uint8Array): Promise<void> {
    const event = { kind: 'event', type: 'custom', customType: CUSTOM, payload } as const
    const answer = await this.#connection.rw.request(this.#dev, event, { urgent: true })
    if (answer.kind === 'failure-response') throw peerError(answer, 'NOT_SUPPORTED')
    if (answer.kind !== 'event-response')
      throw new StorageError('MALFORMED', `The peer answered with a ${answer.kind}.`)
  }

  #serve(packet: Packet, id: number): Promise<void> | void {
    if (packet.kind === 'device-group-info' && this.#announced) return this.#announced(packet)
    if (packet.kind === 'event') {
      const message = packet.type === 'custom' ? packet.payload.slice() : new Uint8Array(0)
      return this.#hear(message, id)
    }
    // What else a Go device group says concerns nobody here.
    if (this.#connection.dialect === 'silo') return
    throw new StorageError('MALFORMED', `The peer sent a ${packet.kind} for a group.`)
  }

  async #hear(message: Uint8Array, id: number): Promise<void> {
    const { rw, dialect } = this.#connection
    let answer: Packet = { kind: 'event-response' }
    try {
      if (message.length > GROUP_MESSAGE_BYTES) throw new StorageError('LIMIT_EXCEEDED')
      if (message.length > 0) {
        if (!this.#handler) throw new StorageError('NOT_SUPPORTED', 'Nobody listens here.')
        await this.#handler(message)
      }
    } catch (error) {
      // Silo has no way to say that anything failed.
      if (dialect !== 'silo') answer = { kind: 'failure-response', ...failureOf(error) }
    }
    // The peer may have gone meanwhile; then nobody waits for the answer.
    await rw.respond(this.#dev, id, answer, { urgent: true }).catch(() => {})
  }
}
